"""Inside the closed room: run a notebook in a kernel, and say after each cell what it showed.

It is started as a script and speaks `frames`. What it says is a picture of the work for the
feedback: the points come from the judge.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

# Notebooks hold no international addresses; the grammar for them takes a second to build.
sys.modules.setdefault("rfc3987_syntax", None)

import frames  # noqa: E402 - beside this script in the room
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager  # noqa: E402
from jupyter_client.manager import AsyncKernelManager  # noqa: E402
from nbclient import NotebookClient  # noqa: E402
from nbclient.exceptions import CellTimeoutError, DeadKernelError  # noqa: E402
from nbformat.v4 import new_code_cell, new_notebook  # noqa: E402

MOST_TEXT, MOST_OUTPUTS, MOST_BYTES = 100_000, 100, 2_000_000
"""Characters of an output, outputs of a cell, and bytes of all its outputs."""


class ThisPython(KernelSpecManager):
    """The kernel is the Python of the room, started as the room starts it."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return how the kernel starts."""
        argv = [sys.executable, "-S", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


class Client(NotebookClient):
    """Runs cells, and keeps no more of their outputs than a page should show."""

    def output(self, outs, msg, display_id, cell_index):
        """Keep an output: text at the end of the text before it, and not too much of anything."""
        content = msg["content"]
        last = outs[-1] if outs else None
        if msg["msg_type"] == "stream" and last and last.get("name") == content["name"]:
            left = max(MOST_TEXT - len(last["text"]), 0)
            last["text"] += content["text"][:left]
            return None
        if len(outs) >= MOST_OUTPUTS:
            return None
        return super().output(outs, msg, display_id, cell_index)


def plain(outputs: list) -> list[dict]:
    """Return outputs as texts that fit into a frame; leave out what is too large."""
    kept, left = [], MOST_BYTES
    for output in outputs:
        texts = {
            name: output[name][:MOST_TEXT]
            for name in ("name", "text", "ename", "evalue")
            if type(output.get(name)) is str
        }
        lines = [str(line)[:MOST_TEXT] for line in output.get("traceback", [])][:MOST_OUTPUTS]
        data = {
            kind: value
            for kind, value in output.get("data", {}).items()
            if type(value) is str and len(value) <= MOST_BYTES // 2
        }
        size = sum(map(len, [*texts.values(), *lines, *data.values()]))
        if size <= left:
            left -= size
            kept.append(
                {"output_type": output["output_type"], "traceback": lines, "data": data} | texts
            )
    return kept


def run(sources: list[str], seconds: float, answers: BinaryIO) -> None:
    """Run cells in a kernel, and send the outputs of each; send no more after the kernel's end."""
    cells = [new_code_cell(source) for source in sources]
    client = Client(
        new_notebook(cells=cells),
        km=AsyncKernelManager(
            kernel_name="python3", kernel_spec_manager=ThisPython(), transport="ipc"
        ),
        timeout=seconds,
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout={"ename": "CellTimeoutError", "evalue": "", "traceback": []},
        iopub_timeout=10,
        record_timing=False,
        shutdown_kernel="immediate",
    )
    with client.setup_kernel(cleanup_kc=True):
        for index, cell in enumerate(client.nb.cells):
            end = ""
            try:
                client.execute_cell(cell, index)
            except DeadKernelError:
                end = "DeadKernelError: the kernel ended here, and no later cell ran"
            except CellTimeoutError:
                end = "CellTimeoutError: this cell could not be stopped, and no later cell ran"
            shown = plain(cell.outputs)
            if end:
                name = end.split(":")[0]
                shown.append(
                    {"output_type": "error", "ename": name, "evalue": end, "traceback": [end]}
                )
            answers.write(frames.pack({"outputs": shown}))
            answers.flush()
            if end:
                return


def main() -> None:
    """Read the cells, run them, send what they show."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    (length,) = frames.LENGTH.unpack(questions.read(frames.LENGTH.size))
    work = frames.unpack(questions.read(length))
    run(work["cells"], work["seconds"], answers)


if __name__ == "__main__":
    main()
