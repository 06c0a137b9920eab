"""The sections of a probe page: what moved, how it trained, what passed through the model, and what must hold."""

from __future__ import annotations

from functools import partial

from lab.analysis.probed import Grid, Probed
from lab.report.canvas import lead, panels
from lab.report.markup import tag
from lab.report.probe_page import lines, maps
from lab.report.probe_page.alert_list import alert_list
from lab.report.probe_page.view import View

MOST_CLASSES = 8
"""Classes that have a line each; more become a map."""


def alerts(view: View) -> str:
    """What rules found."""
    if not any(probed.alerts for probed in view.sides):
        return ""
    said = (
        "Causes first; what one of them explains is folded under it. Figures mark them by their numbers, and symptoms "
        "by dotted lines."
    )
    lists = [alert_list(probed) for probed in view.sides]
    if not view.is_pair:
        return lead(said) + lists[0]
    both = (tag("div", tag("h3", view.name(probed)), told) for probed, told in zip(view.sides, lists, strict=True))
    return lead(said) + tag("div", *both, class_="panels large lists")


def ratios(view: View) -> str:
    """Tensors by time, two measures to choose from, and how two trials differ."""
    choices = []
    for statistic, (name, *_) in maps.RATIOS.items():
        says = f"Each tensor's {name} by step, on a logarithmic scale"
        drawn = view.large("", says, partial(maps.ratios, statistic=statistic))
        if drawn:
            choices.append((name, drawn + (_difference(view, statistic, name) if view.is_pair else "")))
    if not choices:
        return ""
    said = (
        "A row a tensor, from the input down to the read-out. About a thousandth of a weight is a usual step: far "
        "darker rows barely learn, far brighter ones are torn about. Biases begin at zero and so begin bright. Grey: "
        "exactly nothing; red: not finite; blank: not read. Drag over a stretch of time, here or below: "
        "all figures follow, and a double click leads back to all of it."
    )
    return lead(said) + _choice("ratio", choices)


def medians(view: View) -> str:
    """The two ratios over all weight matrices, beside what is usual."""
    drawn = [
        figure
        for statistic, name in (("grad_weight", "Gradient over weight"), ("update_weight", "Update over weight"))
        for figure in view.small(
            name, f"Median {name.lower()} by step, with the usual band", partial(lines.ratio, statistic=statistic)
        )
    ]
    low, high = lines.BAND
    said = (
        f"Median over the weight matrices, and the band from 5 % to 95 % of them. Green: {low:g} to {high:g}, where "
        "gradient over weight lies in sound runs. It does not see the learning rate; update over weight does."
    )
    return lead(said) + panels(drawn, large=True) if drawn else ""


def training(view: View) -> str:
    """Loss, learning rate and the norm of the whole gradient."""
    drawn = [
        *view.small("Loss", "Loss by step", lines.loss),
        *view.small("Norm of the gradient", "Norm of the whole gradient by step", lines.norm),
        *view.small("Rarity of links", "Log of the pairs without a link for each with one, by step", lines.link_ratio),
        *view.small("Learning rate", "Learning rate by step", lines.rate),
        *view.small("Noise scale", "Noise scale of the gradient by step", lines.noise),
    ]
    return panels(drawn, large=True) if drawn else ""


def depth(view: View) -> str:
    """Profiles over the blocks of the model."""
    told: tuple[tuple[str, str, lines.Reading], ...] = (
        ("Gradient norm", "Gradient norm of each block's matrices", lambda probed: probed.by_block("grad_norm")),
        ("Activation std", "Standard deviation of each block's output", stds),
    )
    drawn = [
        figure
        for name, says, read in told
        for figure in view.small(name, f"{says} at a few moments", partial(lines.depth, read=read))
    ]
    said = (
        "From the input to the read-out, at the start of the run (blue) and on to its end (red). Level is healthy; a "
        "gradient that falls towards the input vanishes, one that rises towards it explodes."
    )
    return lead(said) + panels(drawn, large=True) if drawn else ""


def activations(view: View) -> str:
    """What passed through the blocks, the ReLUs and the gates."""
    told: tuple[tuple[str, str, lines.Reading, bool], ...] = (
        ("Standard deviation", "Standard deviation of each block's output", stds, False),
        ("Dead units", "Share of units that never fire", _activations("dead_units"), True),
        ("Saturated gates", "Share of gates shut or wide open", _activations("sat"), True),
        ("Depth gain", "Largest over smallest std of the blocks", _depth_gain, False),
    )
    drawn = [
        figure
        for name, says, read, is_share in told
        for figure in view.small(name, f"{says} by step", partial(lines.by_name, read=read, is_share=is_share))
    ]
    said = "A line a module, blue near the input and red near the read-out; padding is left out of every number."
    return lead(said) + panels(drawn, large=True) if drawn else ""


def attention(view: View) -> str:
    """How many nodes each head reads."""
    says = "Effective number of nodes that each attention head reads by step"
    drawn = view.large("", says, maps.heads)
    said = (
        "A row a head: over how many nodes it spreads its weight, effectively. One is a head that has collapsed to a "
        "single node; all that it may read is a head that averages."
    )
    return lead(said) + drawn if drawn else ""


def classes(view: View) -> str:
    """Recall and predicted share by class."""
    if not any(probed.recalls() for probed in view.sides):
        return ""
    drawn = [
        *view.small("Recall", "Recall of each class on the validation graphs by step", _recalls),
        *view.small("Predicted share", "Share of nodes given each class by step", _shares),
    ]
    said = (
        "On the validation graphs, at the end of each epoch. Recalls that move against one another are a see-saw: the "
        "model swings from one class to the other instead of telling them apart."
    )
    return lead(said) + panels(drawn, large=True)


def stds(probed: Probed) -> Grid | None:
    """The standard deviation of what leaves each block; of every module where none is known as a block."""
    grid = probed.grid("activations", "std")
    if grid is None:
        return None
    blocks = probed.facts.blocks or tuple(name for name in grid.names if name.rpartition(".")[2].isdigit())
    return grid.only(frozenset(blocks).__contains__) or grid


def _activations(statistic: str) -> lines.Reading:
    return lambda probed: probed.grid("activations", statistic)


def _depth_gain(probed: Probed) -> Grid | None:
    return probed.total("activations", "depth_gain")


def _recalls(probed: Probed) -> lines.Drawn:
    told = probed.recalls()
    grid = probed.grid("evaluation", "recall")
    if grid is not None and len(told) > MOST_CLASSES:
        return maps.shares(probed, grid)
    return lines.classes(probed, told) if told else None


def _shares(probed: Probed) -> lines.Drawn:
    grid = probed.grid("evaluation", "share")
    if grid is None:
        return None
    if len(grid.names) > MOST_CLASSES:
        return maps.shares(probed, grid)
    told = {name: (grid.steps.tolist(), row.tolist()) for name, row in zip(grid.names, grid.values, strict=True)}
    return lines.classes(probed, told)


def _difference(view: View, statistic: str, name: str) -> str:
    """Where B differs from A."""
    one, other = view.sides
    drawn = maps.difference(one, other, statistic)
    if drawn is None:
        return tag("p", "No tensor of A has a namesake in B, so there is no map of differences.", class_="note")
    says = f"How many times {name} of A that of B is, by tensor and step"
    return view.canvas.draw(drawn, says, title=f"B over A: {name}")


def _choice(name: str, told: list[tuple[str, str]]) -> str:
    """One of several contents at a time; all of them on paper."""
    if len(told) == 1:
        return told[0][1]
    picks = "".join(tag("label", _radio(name, place), tag("span", words)) for place, (words, _) in enumerate(told))
    shown = "".join(tag("div", tag("h3", words, class_="choice-head"), body, class_="chosen") for words, body in told)
    return tag(
        "div",
        tag("div", picks, class_="picks", role="radiogroup", aria_label="What the map shows"),
        shown,
        class_="choice",
    )


def _radio(name: str, place: int) -> str:
    checked = " checked" if place == 0 else ""
    return f'<input type="radio" name="{name}" value="{place}"{checked}>'
