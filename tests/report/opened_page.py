"""A page as its own script opens it: packed parts in their places, the charts as JSON."""

import json
import re
import zlib
from html import unescape

from nas_sr.report import page as packed_page
from nas_sr.report.packing import CHARACTERS


def unpacked(text):
    """What `packed` was given."""
    count, _, letters = text.partition(":")
    values = [CHARACTERS.index(one) * 91 + CHARACTERS.index(two) for one, two in zip(*[iter(letters)] * 2, strict=True)]
    whole = int("".join(f"{value:013b}" for value in values)[: 8 * int(count)], 2)
    return zlib.decompress(whole.to_bytes(int(count), "big")).decode()


def data_of(html):
    """What the page's script reads."""
    return json.loads(unpacked(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1]))


def charts_of(html):
    """The charts by the ids of their places, with the texts over their points."""
    data = data_of(html)
    for chart in data["charts"].values():
        for trace in chart["data"]:
            if "hovertext" in trace:
                trace["hovertext"] = [data["texts"][index] for index in trace["hovertext"]]
    return data["charts"]


def opened(html):
    """The markup a browser ends up with, the charts of which nobody has chosen yet included."""
    data = data_of(html)

    def part(found):
        return filled(data["parts"][unescape(found[1])])

    def filled(text):
        return re.sub(r'<div data-part="(.*?)"></div>', part, text)

    cards = "".join(text for name, text in data["parts"].items() if name.startswith("choice-"))
    markup = re.sub(r'<script type="text/plain".*?</script>', "", html, flags=re.DOTALL)
    charts = json.dumps(charts_of(html)).replace("</", "<\\/")
    markup = markup.replace("<body>", f'<body><script type="application/json">{charts}</script>')
    return filled(markup.replace("</body>", f"<template>{cards}</template></body>"))


def page(*arguments):
    return opened(packed_page.page(*arguments))
