"""The page of a film: attention over the frames of a window, over the epochs of training, and what moves in both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lab.analysis.movement import by_layer, head_diversity, movement, spectral_order
from lab.records.film import Film
from lab.report.canvas import Drawings, lead, panels
from lab.report.markup import tag, text
from lab.report.moving import gif, lines, movie
from lab.report.of_replay import agreement_said
from lab.report.page import document

KEPT = 4
"""Nodes that count as those a row reads most, where the true graph does not tell how many there are."""
READS = {
    "effective neighbours": "nodes a row reads in effect",
    "self weight": "weight on itself",
    "total variation": "change since the last",
    "top jaccard": "same top nodes as the last",
    "auroc": "AUROC against the true graph",
}
"""Series that are drawn, and how their axes are told."""


def film_page(film: Film) -> str:
    """One self-contained file."""
    canvas = Drawings()
    over_epochs = _mean_heads(film.means)
    frames = [str(frame) for frame in range(1, film.attention.shape[3] + 1)]
    order = spectral_order(over_epochs[-1].mean(0))
    truth = film.truth
    parts = [
        tag("h1", text(f"What {film.label or film.trial}, seed {film.seed}, attends to")),
        lead(
            f"Trained again from its start to be filmed: {agreement_said(film.agreement)}. Rows read columns; nodes "
            "stand in the order of the second eigenvector of the mean weights, so that those who read one another are "
            "neighbours. The scale of a film is fixed."
        ),
        *(tag("p", text(note), class_="note") for note in film.notes),
        tag("h2", text(f"Over the frames of window {film.windows[0]} of the test split")),
        *_films(canvas, film.layers, _ordered(by_layer(film.attention[:1]), order), frames, order, "frame"),
        _series(canvas, film.layers, by_layer(film.attention), truth, range(1, len(frames) + 1)),
        tag("h2", text("Over the epochs of the training")),
        lead("The mean over the filmed windows and their frames; 0 is before the first step."),
        *_films(canvas, film.layers, _ordered(over_epochs.swapaxes(0, 1), order), list(map(str, film.epochs)), order),
        _series(canvas, film.layers, over_epochs.swapaxes(0, 1), truth, film.epochs, word="epoch"),
        _of_parts(canvas, film),
    ]
    if film.static is not None:
        static = _ordered(_mean_heads(film.static).swapaxes(0, 1), order)
        epochs = list(map(str, film.epochs))
        parts += [
            tag("h2", text("The static scores over the epochs")),
            lead("Learned for each pair of nodes and the same in all frames, before queries and keys are added."),
            *_films(canvas, film.static_layers, static, epochs, order),
        ]
    return document(f"Attention of {film.trial}", tag("main", tag("article", *parts)), canvas)


def _of_parts(canvas: Drawings, film: Film) -> str:
    """How heads differ, where there are several, and how far blocks keep nodes apart."""
    drawn = []
    if film.means.shape[2] > 1:
        apart = dict(zip(film.layers, head_diversity(film.means).T, strict=True))
        says = "divergence of heads"
        drawn.append(
            canvas.draw(lines(film.epochs, apart, word="epoch", told=says), f"{says} by epoch, a line a layer.")
        )
    if film.energy is not None:
        kept = dict(zip(film.blocks, film.energy.astype(np.float64).T, strict=True))
        says = "Dirichlet energy of nodes"
        drawn.append(
            canvas.draw(lines(film.epochs, kept, word="epoch", told=says), f"{says} by epoch, a line a layer.")
        )
    return panels(drawn) if drawn else ""


def film_gifs(film: Film) -> Mapping[str, bytes]:
    """Suffix of the file's name -> GIF: over the frames of the first window, over epochs, and of the static scores."""
    over_epochs = _mean_heads(film.means)
    order = spectral_order(over_epochs[-1].mean(0))
    frames, epochs = film.attention.shape[3], [f"after epoch {epoch}" for epoch in film.epochs]
    captions = [f"frame {frame} of {frames}: {', '.join(film.layers)}" for frame in range(1, frames + 1)]
    told = {
        "frames": gif(_ordered(by_layer(film.attention[:1]), order), captions),
        "epochs": gif(_ordered(over_epochs.swapaxes(0, 1), order), epochs),
    }
    if film.static is not None:
        told["static"] = gif(_ordered(_mean_heads(film.static).swapaxes(0, 1), order), epochs)
    return told


def _mean_heads(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """[epochs, layers, nodes, nodes] of [epochs, layers, heads, nodes, nodes]."""
    told: NDArray[np.float64] = weights.astype(np.float64).mean(2)
    return told


def _ordered(weights: NDArray[np.floating], order: NDArray[np.int64]) -> NDArray[np.floating]:
    return weights[..., order, :][..., order]


def _films(
    canvas: Drawings,
    layers: tuple[str, ...],
    weights: NDArray[np.floating],
    captions: list[str],
    order: NDArray[np.int64],
    word: str = "epoch",
) -> list[str]:
    """A film for each layer of [layers, time, nodes, nodes]."""
    drawn = [
        canvas.draw(
            movie(each, captions, order=order.tolist(), word=word),
            f"Weights of {layer} by {word}, as a heat map of nodes by nodes.",
            title=layer,
        )
        for layer, each in zip(layers, weights, strict=True)
    ]
    return [panels(drawn, large=True)]


def _series(
    canvas: Drawings,
    layers: tuple[str, ...],
    weights: NDArray[np.float64],
    truth: NDArray[np.floating] | None,
    at: range | tuple[int, ...],
    word: str = "frame",
) -> str:
    """What moves in [layers, time, nodes, nodes], a small figure a number."""
    kept = max(1, round(float((truth != 0).sum(1).mean()))) if truth is not None else KEPT
    told = {layer: movement(each, kept=kept, truth=truth) for layer, each in zip(layers, weights, strict=True)}
    drawn = [
        canvas.draw(
            lines(list(at), {layer: told[layer][name] for layer in layers}, word=word, told=says),
            f"{says} by {word}, a line a layer.",
        )
        for name, says in READS.items()
        if all(name in each for each in told.values())
    ]
    return panels(drawn)
