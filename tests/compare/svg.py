"""Plots as plain SVG text: panels of lines with their axes, two panels a row. Knows nothing of what is plotted."""

import dataclasses
import html
import math

PANEL_WIDTH, PANEL_HEIGHT = 500, 310
LEFT, RIGHT, TOP, BOTTOM = 72, 20, 62, 50
HEAD = 64
LETTER = 6.3  # the width of a letter, about
GREY, LIGHT, DARK = "#888888", "#e4e4e4", "#222222"
TICKS_MAX = 6


@dataclasses.dataclass
class Series:
    name: str
    points: list  # of (x, y); an y that is None is a gap
    color: str
    dashed: bool = False


@dataclasses.dataclass
class Axis:
    """`ticks`: its (place, label)s, if they are not to be found from the values."""
    label: str
    log: bool = False
    ticks: list = None


@dataclasses.dataclass
class Panel:
    title: str
    x: Axis
    y: Axis
    series: list
    marks: list = dataclasses.field(default_factory=list)  # of (x, label): upright lines
    dots: bool = True


def number(value):
    """As short as it can be read."""
    for bound, unit in ((1e6, " M"), (1e4, " k")):
        if abs(value) >= bound:
            return f"{value * (1e-6 if unit == ' M' else 1e-3):.4g}{unit}"
    return f"{value:.4g}"


def linear_ticks(low, high):
    step = 10 ** math.floor(math.log10((high - low) / TICKS_MAX))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= TICKS_MAX)
    return [step * place for place in range(math.floor(low / step), math.ceil(high / step - 1e-9) + 1)]


def log_ticks(low, high):
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1,) if last - first > 2 else (1, 2, 5)
    all_ticks = [factor * 10.0 ** power for power in range(first, last + 1) for factor in factors]
    below = max([tick for tick in all_ticks if tick <= low * 1.001])
    above = min([tick for tick in all_ticks if tick >= high * 0.999])
    return [tick for tick in all_ticks if below <= tick <= above]


class Scale:
    """From an axis' values to places between `begin` and `end`."""

    def __init__(self, axis, values, begin, end):
        self.log, self.begin, self.end = axis.log, begin, end
        values = [*values, *(place for place, _ in axis.ticks or [])] or [1]
        low, high = min(values), max(values)
        if axis.ticks:
            self.ticks = axis.ticks
            room = 0.04 * (self.value(high) - self.value(low) or 1)
            self.low, self.high = self.value(low) - room, self.value(high) + room
        else:
            low = low if self.log else min(low, 0)
            high = high if high > low else low * 2 if self.log else low + 1
            places = (log_ticks if self.log else linear_ticks)(low, high)
            self.ticks = [(place, number(place)) for place in places]
            self.low, self.high = self.value(places[0]), self.value(places[-1])

    def value(self, at):
        return math.log10(at) if self.log else at

    def place(self, at):
        return self.begin + (self.value(at) - self.low) / (self.high - self.low) * (self.end - self.begin)


def text(x, y, words, size=12, anchor="middle", color=DARK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}"{more}>' \
           f'{html.escape(words)}</text>'


def line(x1, y1, x2, y2, color, more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"{more}/>'


def drawn_legend(panel):
    out, x, y = [], LEFT, 38
    for series in panel.series if len(panel.series) > 1 else []:
        if x + 34 + LETTER * len(series.name) > PANEL_WIDTH and x > LEFT:
            x, y = LEFT, y + 15
        dash = ' stroke-width="2" stroke-dasharray="5 3"' if series.dashed else ' stroke-width="2"'
        out += [line(x, y - 4, x + 20, y - 4, series.color, dash), text(x + 25, y, series.name, 11, "start")]
        x += 40 + LETTER * len(series.name)
    return out


def drawn_series(series, x, y, dots):
    out, run = [], []
    for at, value in [*series.points, (None, None)]:
        is_there = value is not None and (value > 0 or not y.log)
        if is_there:
            run.append(f"{x.place(at):.1f},{y.place(value):.1f}")
        elif run:
            dash = ' stroke-dasharray="5 3"' if series.dashed else ""
            out.append(f'<polyline points="{" ".join(run)}" fill="none" stroke="{series.color}" stroke-width="1.8"'
                       f'{dash}/>')
            if dots:
                out += [f'<circle cx="{cx}" cy="{cy}" r="3" fill="{series.color}"/>'
                        for cx, cy in (point.split(",") for point in run)]
            run = []
    return out


def drawn(panel):
    known = [(at, value) for series in panel.series for at, value in series.points if value is not None]
    right, bottom = PANEL_WIDTH - RIGHT, PANEL_HEIGHT - BOTTOM
    x = Scale(panel.x, [at for at, _ in known], LEFT, right)
    y = Scale(panel.y, [value for _, value in known if value > 0 or not panel.y.log], bottom, TOP)
    out = [text(LEFT, 18, panel.title, 14, "start", DARK, ' font-weight="bold"'), *drawn_legend(panel)]
    for at, label in y.ticks:
        out += [line(LEFT, y.place(at), right, y.place(at), LIGHT), text(LEFT - 8, y.place(at) + 4, label, 11, "end")]
    for at, label in x.ticks:
        out += [line(x.place(at), bottom, x.place(at), bottom + 5, GREY), text(x.place(at), bottom + 19, label, 11)]
    for place, (at, label) in enumerate(panel.marks):  # on rows in turn, as they may stand close
        out += [line(x.place(at), TOP - 24, x.place(at), bottom, GREY, ' stroke-dasharray="2 3"'),
                text(x.place(at) + 3, TOP - 16 + 11 * (place % 2), label, 10, "start", GREY)]
    out += [line(LEFT, bottom, right, bottom, GREY), line(LEFT, TOP, LEFT, bottom, GREY),
            text((LEFT + right) / 2, PANEL_HEIGHT - 12, panel.x.label + (" (log)" if panel.x.log else "")),
            text(16, (TOP + bottom) / 2, panel.y.label + (" (log)" if panel.y.log else ""), 12, "middle", DARK,
                 f' transform="rotate(-90 16 {(TOP + bottom) / 2:.1f})"')]
    for series in panel.series:
        out += drawn_series(series, x, y, panel.dots)
    return out


def write(path, title, note, panels):
    width, height = 2 * PANEL_WIDTH + 20, HEAD + math.ceil(len(panels) / 2) * PANEL_HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           text(16, 28, title, 18, "start", DARK, ' font-weight="bold"'), text(16, 48, note, 12, "start", GREY)]
    for place, panel in enumerate(panels):
        out.append(f'<g transform="translate({place % 2 * (PANEL_WIDTH + 10)} {HEAD + place // 2 * PANEL_HEIGHT})">')
        out += [*drawn(panel), "</g>"]
    path.write_text("\n".join([*out, "</svg>"]) + "\n")
