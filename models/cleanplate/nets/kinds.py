"""The kinds of networks: what the `kind` of a configuration or of a card's text can be."""

from __future__ import annotations

from collections.abc import Mapping

from cleanplate.nets import background_cut, cleanplate, context_motion, funet, static_background, unet

MULTIPLES: Mapping[str, int] = {
    "cleanplate": cleanplate.MULTIPLE,
    "background-cut": background_cut.MULTIPLE,
    "unet": unet.MULTIPLE,
    "funet": funet.MULTIPLE,
    "static-background": static_background.MULTIPLE,
    "context-motion": context_motion.MULTIPLE,
}
"""Of what both sides of a kind's pictures must be a multiple."""


def unknown_kind(kind: object) -> str:
    """Return what is wrong with a kind that is none of `MULTIPLES`."""
    return f"kind is {kind!r}: choose {', '.join(list(MULTIPLES)[:-1])} or {list(MULTIPLES)[-1]}"
