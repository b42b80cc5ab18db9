"""Cells that try to get points without the work, or to harm: each stands in an empty notebook."""

from __future__ import annotations

from pathlib import Path

from nbformat.v4 import new_code_cell

from coursework.course import student_notebook
from tests.coursework.submissions import Notebook, cell_of

SOURCE = Path(__file__).parents[2] / "coursework/module15.md"
SOLUTION_CELLS = (
    "for cell in notebook.cells:\n"
    "    if cell.metadata.get('nbgrader', {}).get('solution') and cell.cell_type == 'code':\n"
    "        exec(cell.source, globals())\n"
)

POINTS = {
    "cleanup": "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])",
    "ast": (
        "import ast\nclass Empty(ast.NodeTransformer):\n    def visit_Module(self, node):\n"
        "        return ast.Module([], [])\nget_ipython().ast_transformers.append(Empty())"
    ),
    "run-code": (
        "async def nothing(*a, **k):\n    return False\nget_ipython().run_code = nothing\n"
        "type(get_ipython()).run_code = nothing"
    ),
    "success": (
        "from IPython.core.interactiveshell import ExecutionResult\n"
        "ExecutionResult.success = property(lambda self: True)\n"
        "get_ipython().showtraceback = lambda *a, **k: None"
    ),
    "no-error": (
        "def after(result):\n    result.error_in_exec = None\n"
        "get_ipython().events.register('post_run_cell', after)\n"
        "get_ipython().showtraceback = lambda *a, **k: None"
    ),
    "session": (
        "session = get_ipython().kernel.session\nsend = session.send\n"
        "def lie(stream, kind, content=None, *a, **k):\n    if kind == 'error':\n"
        "        return None\n"
        "    if isinstance(content, dict) and 'status' in content:\n"
        "        content = {'status': 'ok', 'execution_count': 1, 'payload': [],"
        " 'user_expressions': {}}\n    return send(stream, kind, content, *a, **k)\n"
        "session.send = lie"
    ),
    "displayed": (
        "import sys\nclass Any:\n    def __getattr__(self, name): return self\n"
        "    def __call__(self, *a, **k): return self\n"
        "    def __iter__(self): return iter([self])\n"
        "    def __getitem__(self, at): return self\n    def __repr__(self): return '8.0'\n"
        "KVCache = enable_cache = disable_cache = positions_of = Any()\n"
        "generate_cached = profile_naive = cache_bytes = operation_ratios = Any()\n"
        "sys.displayhook = lambda value: print('8.0')"
    ),
    "equal": (
        "class Equal:\n    def __eq__(self, other): return True\n"
        "    def __getattr__(self, name): return self\n"
        "    def __call__(self, *a, **k): return self\n    __lt__ = __gt__ = __ge__ = __eq__\n"
        "    def __iter__(self): return iter([self, self])\n    __hash__ = None\n"
        "KVCache = enable_cache = disable_cache = generate_cached = Equal()\n"
        "profile_naive = cache_bytes = operation_ratios = Equal()\n"
        "import numpy\nnumpy.array_equal = numpy.allclose = lambda *a, **k: True\n"
        "numpy.abs = lambda *a: numpy.zeros(1)\nnp = Equal()"
    ),
    "instructor": (
        "from coursework.course import instructor_notebook\n"
        f"notebook = instructor_notebook()\n{SOLUTION_CELLS}"
    ),
    "source-file": (
        f"import jupytext\nnotebook = jupytext.read({str(SOURCE)!r})\n{SOLUTION_CELLS}"
    ),
    "package": (
        "from tinytorch.generation.enable import _attach\nfrom tinytorch.generation import *\n"
        "class KVCache:\n    def __init__(self, *a, **k): self.inner = tt.KVCache(*a, **k)\n"
        "    def __getattr__(self, name): return getattr(self.inner, name)\n"
        "def enable_cache(model, cache, num_pads=(0,)): _attach(model, cache)\n"
        "disable_cache = disable_kv_cache\n"
        "def generate_cached(m, c, p, n, num_pads=(0,)): return generate(m, p, n)"
    ),
    "package-later": (
        "class KVCache:\n    def __init__(self, *a, **k): self.inner = tt.KVCache(*a, **k)\n"
        "    def __getattr__(self, name): return getattr(self.inner, name)\n"
        "def enable_cache(model, cache, num_pads=(0,)): tt.enable_kv_cache(model)\n"
        "def disable_cache(model): tt.disable_kv_cache(model)\n"
        "def generate_cached(m, c, p, n, num_pads=(0,)): return tt.generate(m, p, n)"
    ),
    "no-styles": (
        "STYLES = {}\nassert_close = assert_same_text = lambda *a: None\n"
        "random_text = lambda *a, **k: np.zeros((1, 0), int)\n"
        "enable_cache = disable_cache = lambda *a, **k: None"
    ),
    "enables-nothing": "enable_cache = disable_cache = lambda *a, **k: None",
    "execv": "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'while True: pass'])",
}
"""The rows of the first table, which gained up to 60 points when tests ran in the notebook."""

NAMES = "('KVCache', 'enable_cache', 'disable_cache', 'generate_cached', 'profile_naive', \
'cache_bytes', 'operation_ratios')"

ON_THE_JUDGE = {
    "answers-before-it-is-asked": (
        "import frames, os\nfor fd in range(3, 12):\n    for said in (True, None, [0, 0]):\n"
        "        try: os.write(fd, frames.pack({'result': said}) * 9)\n"
        "        except OSError: pass"
    ),
    "answers-with-a-terabyte": (
        "import os\nfor fd in range(3, 12):\n    try: os.write(fd, (2**40).to_bytes(8, 'little'))\n"
        "    except OSError: pass"
    ),
    "answers-without-end": (
        "import os, threading\ndef flood(fd):\n    while True:\n"
        "        try: os.write(fd, (2**26).to_bytes(8, 'little') + bytes(2**20))\n"
        "        except OSError: return\n"
        "for fd in range(3, 12): threading.Thread(target=flood, args=(fd,), daemon=True).start()"
    ),
    "answers-yes": (
        "import frames\nyes = frames.pack({'result': True})\nframes.pack = lambda v: yes"
    ),
    "answers-with-the-question": (
        "import frames\npack, unpack = frames.pack, frames.unpack\nasked = [None]\n"
        "def listen(body):\n    question = unpack(body)\n    asked[0] = question.get('args')\n"
        "    return question\n"
        "frames.unpack = listen\nframes.pack = lambda v: pack({'result': asked[0]})"
    ),
    "answers-with-a-pickle": (
        "import frames, io, os\nimport numpy\nclass Bomb:\n"
        "    def __reduce__(self): return (os.system, ('touch /tmp/unpickled-by-the-judge',))\n"
        "body = io.BytesIO()\nnumpy.savez(body, tree=numpy.array([Bomb()], dtype=object))\n"
        "frames.pack = lambda v: frames.LENGTH.pack(len(body.getvalue())) + body.getvalue()"
    ),
    "takes-the-given-cache": (
        "import gc\ndef given():\n"
        "    (guest,) = [o for o in gc.get_objects() if type(o).__name__ == 'Guest']\n"
        "    return guest._kept['PlainCache']\n"
        "def KVCache(*a, **k): return given()(*a, **k)"
    ),
    "empties-the-model": (
        "def enable_cache(model, cache, num_pads=(0,)):\n"
        "    for name, value in vars(model).items():\n"
        "        if isinstance(value, np.ndarray): value[...] = 0\n"
        "    model.forward = lambda t, **k: (cache.advance(t.shape[1]), "
        "np.zeros((*t.shape, model.vocab_size), np.float32))[1]\n"
        "def disable_cache(model): vars(model).pop('forward', None)\n"
        "def generate_cached(m, c, p, n, num_pads=(0,)):\n"
        "    return np.concatenate([p, np.zeros((len(p), n), int)], axis=1)"
    ),
    "replaces-the-model": (
        "import tinytorch.core.transformer as t\n"
        "t.GPT.forward = lambda self, x, *a, **k: np.zeros((*np.shape(x), self.vocab_size))\n"
        "t.GPT.__init__ = lambda self, *a, **k: None\ntt.GPT = t.GPT"
    ),
    "ends-at-every-question": (
        f"import os\nfor name in {NAMES}: globals()[name] = lambda *a, **k: os._exit(0)"
    ),
    "messages-to-the-terminal": (
        "class Loud(Exception):\n"
        "    def __str__(self): return '\\x1b]0;pwned\\x07\\x1b[2J=HYPERLINK(1)' + 'x' * 10**7\n"
        f"def loud(*a, **k): raise Loud\nfor name in {NAMES}: globals()[name] = loud"
    ),
    "errors-that-are-none": (
        "class Odd(BaseException):\n    def __str__(self): raise self\n"
        f"def odd(*a, **k): raise Odd\nfor name in {NAMES}: globals()[name] = odd"
    ),
    "answers-that-are-none": (
        "class Cache:\n    seq_pos = float('nan')\n"
        "    def __init__(self, *a, **k): vars(self).update(k)\n"
        "    def update(self, *a): return [np.full((1, 1, 1, 1), np.nan)] * 2\n"
        "    def advance(self, *a): pass\n    def get(self, *a): return [[]] * 7\n"
        "    def reset(self): pass\nKVCache = Cache\n"
        "deep = []\nfor _ in range(10**4): deep = [deep]\n"
        "generate_cached = profile_naive = lambda *a, **k: deep\n"
        "cache_bytes = operation_ratios = lambda *a, **k: {'a': [True, 1j]}"
    ),
    "deep-recursion": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef down(*a, **k): return down(*a, **k)\n"
        f"for name in {NAMES}: globals()[name] = down"
    ),
    "processes-without-end": (
        "import os, threading\ndef bomb(*a, **k):\n    while True:\n        try: os.fork()\n"
        "        except OSError: pass\n"
        f"for name in {NAMES}: globals()[name] = bomb"
    ),
}
"""Attacks on the guest, the pipe and the judge that were made for them."""

NAIVE = (
    "def naive(model, prompt, num_tokens, num_pads):\n"
    "    rows = []\n"
    "    for row, n in zip(prompt, num_pads):\n"
    "        text = row[None, n:]\n"
    "        for _ in range(num_tokens):\n"
    "            best = model.forward(text, last_only=True)[:, -1:].argmax(-1)\n"
    "            text = np.concatenate([text, best], axis=1)\n"
    "        rows.append(np.concatenate([row[None, :n], text], axis=1))\n"
    "    return np.concatenate(rows)\n"
)
WITHOUT_A_CACHE = {
    "and-lies-about-the-work": (
        f"{NAIVE}import tinytorch.core.ops as ops\n"
        "def generate_cached(model, cache, prompt, num_tokens, num_pads=(0,)):\n"
        "    ops.notify_observers, kept = lambda *a: None, ops.notify_observers\n"
        "    try: return naive(model, prompt, num_tokens, num_pads)\n"
        "    finally:\n        ops.notify_observers = kept\n        model.forward(prompt[:, :1])\n"
    ),
    "in-another-process": (
        f"{NAIVE}import os\n"
        "def generate_cached(model, cache, prompt, num_tokens, num_pads=(0,)):\n"
        "    reading, writing = os.pipe()\n    if not os.fork():\n"
        "        found = naive(model, prompt, num_tokens, num_pads)\n"
        "        os.write(writing, found.astype(np.int64).tobytes())\n        os._exit(0)\n"
        "    os.close(writing)\n    data = os.fdopen(reading, 'rb').read()\n    os.wait()\n"
        "    model.forward(prompt[:, :1])\n"
        "    return np.frombuffer(data, np.int64).reshape(len(prompt), -1)\n"
    ),
}
"""`generate_cached` that writes the right text, reading all of it for every token."""


def attacked(source: str) -> Notebook:
    """Return the untouched release with one more cell, behind the first."""
    notebook = student_notebook()
    place = notebook.cells.index(cell_of(notebook, "setup"))
    notebook.cells.insert(place + 1, new_code_cell(source))
    # An attack may be all that there is: later cells would define the tasks anew.
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution") and cell.cell_type == "code":
            cell.source = "pass"
    return notebook


SPY = """
import glob, json, os, socket, subprocess
found = []
for place in {places}:
    found += [place] if os.path.exists(place) else []
    try:
        open(place, "a").close()
        found.append("wrote " + place)
    except OSError:
        pass
for pattern in ("/*/gradebook.db", "/work/*/coursework/*", "/home/*/*.db", "/root/*.md"):
    found += glob.glob(pattern)
try:
    socket.create_connection(("127.0.0.1", {port}), 2).send(b"tests")
    found.append("sent")
except OSError:
    pass
print("found", json.dumps(found))
"""
"""Looks for what is not the student's, writes to it and sends it to a listener on the machine."""

STAYS = """
import os, subprocess, sys, time
code = ("import os, sqlite3, time\\n"
        "for _ in range(100):\\n    time.sleep(0.2)\\n"
        "    try:\\n        book = sqlite3.connect({gradebook!r})\\n"
        "        book.execute('update grade set manual_score = 99')\\n        book.commit()\\n"
        "    except Exception:\\n        pass")
for _ in range(5):
    subprocess.Popen([sys.executable, "-S", "-c", code, {marker!r}], start_new_session=True)
try:
    for _ in range(200):
        if not os.fork():
            os.setsid()
            time.sleep(300)
except OSError as error:
    print("forks ended:", error)
"""
"""Leaves processes behind: one sets marks later, others hold every pipe open."""

ENDS_ALL = """
import os, signal
for who in (os.getppid(), -1):
    for number in (signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(who, number)
        except OSError:
            pass
"""
"""Ends, or stops, everything that can be reached."""

FLOODS = [
    "open('/proc/self/fd/2', 'wb').write(bytes(10**8))",
    "open('large', 'wb').write(bytes(3 * 10**8))",
    "from IPython.display import display, Image; display(Image(bytes(5 * 10**7), format='png'))",
    "display({'application/json': ['x' * 100] * 10**5, 'text/html': 'y' * 10**7}, raw=True)",
    "for i in range(3000): display(i)",
    "print('z' * 10**8)",
    "raise ValueError('e' * 5 * 10**7)",
]
"""Output and files in quantities that a page or a disk does not take."""
