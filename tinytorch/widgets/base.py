"""What the chapter's widgets have in common, in a notebook and on a website."""

from __future__ import annotations

import html
import json
from typing import Self

import anywidget
import comm
import ipywidgets
import traitlets
from IPython import get_ipython
from IPython.display import HTML, display
from traitlets import TraitError

from tinytorch.analysis.chart import Chart
from tinytorch.widgets.bundle import styles, widget_module
from tinytorch.widgets.language import Language, chosen_language

STATIC = "TINYTORCH_STATIC_WIDGETS"
"""A variable that is set where notebooks run for a website, whose readers have no kernel."""


class IntRange(traitlets.Int):
    """An integer of a range, which its error names."""

    def __init__(self, least: int, most: int, default: int):
        super().__init__(default)
        self.least, self.most = least, most

    def validate(self, obj: object, value: object) -> int:
        """Return the value, or raise the TraitError that says what is expected."""
        if isinstance(value, bool) or not isinstance(value, int):
            self.error(obj, value)
        if not self.least <= value <= self.most:
            raise TraitError(
                f"{self.name} must be from {self.least:,} to {self.most:,}, got {value:,}"
            )
        return value


class ChapterWidget(anywidget.AnyWidget):
    """A figure that a reader can change.

    A subclass gives `module`, the name of its JavaScript; `view_traits`, what a reader can change;
    `data_traits`, what is drawn; and `fallback`.

    Attributes
    ----------
    language : str
        What figures speak that are made from now on: ``ChapterWidget.language = "de"``, or the
        variable ``TINYTORCH_LANGUAGE``. Names of traits, and errors, are English.
    """

    language: str = chosen_language()

    module: str
    view_traits: tuple[str, ...]
    data_traits: tuple[str, ...] = ()

    first_view = traitlets.Dict(read_only=True).tag(sync=True)
    limits = traitlets.Dict(read_only=True).tag(sync=True)

    def __init_subclass__(cls, **kwargs):
        if "module" in vars(cls):  # anywidget derives a class for each widget
            cls._css = styles()
        super().__init_subclass__(**kwargs)

    def __init__(self, **values):
        unknown = set(values) - set(self.trait_names())
        if unknown:
            known = ", ".join((*self.data_traits, *self.view_traits))
            raise TypeError(f"no trait is called {sorted(unknown)}; there are {known}")
        super().__init__(**values)
        self.set_trait("first_view", {name: getattr(self, name) for name in self.view_traits})
        ranges = {
            name: [trait.least, trait.most]
            for name, trait in self.traits().items()
            if isinstance(trait, IntRange)
        }
        self.set_trait("limits", ranges)

    @classmethod
    def from_state(cls, state: dict[str, object], language: str) -> Self:
        """Return a figure with the state that `to_html` has written.

        Parameters
        ----------
        state : dict
            The values of its traits.
        language : str
            What it speaks.

        Returns
        -------
        ChapterWidget
        """
        figure = cls.__new__(cls)
        figure.language = language
        traits = cls.class_traits()
        names = (*cls.data_traits, *cls.view_traits)
        values = {name: state[name] for name in names if not traits[name].read_only}
        ChapterWidget.__init__(figure, **values)  # a class of its own asks for other arguments
        return figure

    @property
    def _esm(self) -> str:  # anywidget makes a trait of it
        return widget_module(self.module, self.words)

    @property
    def words(self) -> Language:
        """The words and numbers of the figure's language."""
        return Language(self.language)

    def fallback(self) -> Chart:
        """Draw the present view with matplotlib, for print and for readers without JavaScript."""
        raise NotImplementedError

    def to_html(self) -> str:
        """Return the element that the website's script brings to life: data and a drawn figure."""
        names = (*self.data_traits, *self.view_traits, "first_view", "limits")
        state = {name: getattr(self, name) for name in names}
        data = json.dumps(state, separators=(",", ":")).replace("</", "<\\/")
        name = html.escape(type(self).__name__)
        return (
            f'<div class="tt-widget" data-afm="{name}">'
            f'<script type="application/json">{data}</script>'
            f'<div class="tt-fallback">{self.fallback()._repr_html_()}</div></div>'
        )


def show_on_a_website() -> None:
    """Show the chapter's widgets as parts of a web page, and no other widget at all.

    The state of Jupyter's widgets would be stored in the executed notebook, and nobody could see
    them without a kernel. What `ipywidgets.interactive_output` draws goes to the cell instead.
    """
    comm.create_comm = comm.DummyComm
    if (shell := get_ipython()) is not None:
        formatter = shell.display_formatter.ipython_display_formatter
        formatter.for_type(ipywidgets.DOMWidget, lambda widget: None)
        formatter.for_type(ChapterWidget, lambda widget: display(HTML(widget.to_html())))
