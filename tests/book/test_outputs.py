"""Streams are merged as they were printed."""

import chapter_outputs
from nbformat.v4 import new_output


def pieces(name: str, *texts: str) -> list:
    return [new_output("stream", name=name, text=text) for text in texts]


def test_pieces_of_a_line_stay_in_the_line():
    outputs = pieces("stdout", "To be", " or", " not\n", "to be", "\n")
    (merged,) = chapter_outputs.join_streams(outputs)
    assert merged["text"] == "To be or not\nto be\n"
    assert outputs[0]["text"] == "To be"


def test_a_carriage_return_overwrites_and_other_outputs_keep_their_place():
    shown = new_output("display_data", data={"text/plain": "a figure"})
    printed, warned = pieces("stdout", "10 %", "\r20 %", "\n"), pieces("stderr", "careful\n")
    merged = chapter_outputs.join_streams([*warned, *printed[:2], shown, *printed[2:]])
    assert [output.get("name") for output in merged] == ["stdout", "stderr", None]
    assert merged[0]["text"] == "20 %\n"
