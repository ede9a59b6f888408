"""Plots as SVG, written by hand: nothing but Python is needed."""

import math
from html import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 80, 150, 56, 56
COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0f766e", "#a16207", "#be185d", "#475569")


def write_plots(report, folder):
    """Writes what the results allow to be drawn, and returns the files."""
    drawings = {
        "latency-distribution": latency_distribution(report),
        "throughput-against-connections": throughput(report),
    }
    written = []
    for name, drawing in drawings.items():
        if drawing:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{name}.svg"
            path.write_text(drawing)
            written.append(path)
    return written


def latency_distribution(report):
    """How long deliveries take: the share of them on one axis, the time on the other."""
    scenario = next(
        (
            each
            for each in sorted(report.scenarios, key=lambda each: each.name != "projects-rate")
            if any(report.histogram(each.name, one.name, "delivery") for one in report.field)
        ),
        None,
    )
    if scenario is None:
        return None
    curves = {}
    for contestant in report.field:
        counts = report.histogram(scenario.name, contestant.name, "delivery")
        total = sum(count for _, count in counts)
        points, seen = [], 0
        for bound, count in counts:
            seen += count
            rest = max(1 - seen / total, 0.5 / total)
            nines = -math.log10(rest)
            if nines <= 4:
                points.append((nines, math.log10(max(bound, 1_000) / 1_000)))
        if len(points) > 1:
            curves[contestant.name] = points
    shares = [(0, "0 %"), (-math.log10(0.5), "50 %"), (1, "90 %"), (2, "99 %"), (3, "99.9 %"), (4, "99.99 %")]
    return draw(
        f"From sending to delivery: {scenario.name}", "share of deliveries", "time", curves, shares,
        decades(curves, microseconds),
    )  # fmt: skip


def throughput(report):
    """Deliveries a second against the number of clients of one project."""
    sizes = [each for each in report.scenarios if each.name.startswith("fanout-")]
    if len(sizes) < 2:
        return None
    curves = {}
    for contestant in report.field:
        points = []
        for scenario in sizes:
            value = report.value(scenario.name, contestant.name, "deliveries_per_second")
            if value is not None:
                points.append((math.log10(scenario.options["clients"]), value))
        if len(points) > 1:
            curves[contestant.name] = points
    clients = [(math.log10(each.options["clients"]), f"{each.options['clients']:,}") for each in sizes]
    top = max((value for points in curves.values() for _, value in points), default=0)
    step = round_step(top / 5) if top else 1
    ticks = [(index * step, f"{index * step:,.0f}") for index in range(1, math.ceil(top / step) + 1)]
    return draw(
        "Fan-out, one message at a time", "clients of one project", "deliveries a second", curves, clients,
        [(0, "0"), *ticks],
    )  # fmt: skip


def round_step(least):
    """The smallest of 1, 2, 5, 10, 20, … that isn't less."""
    power = 10 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)


def decades(curves, label):
    heights = [height for points in curves.values() for _, height in points]
    if not heights:
        return []
    return [(power, label(10**power)) for power in range(math.floor(min(heights)), math.ceil(max(heights)) + 1)]


def microseconds(value):
    return f"{value:,.0f} µs" if value < 1_000 else f"{value / 1_000:,.0f} ms"


def draw(title, across, upwards, curves, x_ticks, y_ticks):
    """A chart; `None` when there is nothing to show. Ticks are pairs of place and label."""
    if not curves or len(x_ticks) < 2 or len(y_ticks) < 2:
        return None
    x_first, x_last = x_ticks[0][0], x_ticks[-1][0]
    y_first, y_last = y_ticks[0][0], y_ticks[-1][0]

    def x(place):
        return LEFT + (place - x_first) / (x_last - x_first) * (WIDTH - LEFT - RIGHT)

    def y(place):
        return HEIGHT - BOTTOM - (place - y_first) / (y_last - y_first) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        ' font-size="12" fill="#1f2937" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="28" font-size="16" font-weight="bold">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across)}</text>',
        f'<text x="12" y="{TOP - 8}">{escape(upwards)}</text>',
    ]
    for place, label in y_ticks:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(place):.1f}" y2="{y(place):.1f}" stroke="#e5e7eb"/>'
            f'<text x="{LEFT - 8}" y="{y(place) + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )
    for place, label in x_ticks:
        parts.append(
            f'<line x1="{x(place):.1f}" x2="{x(place):.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}"'
            ' stroke="#6b7280"/>'
            f'<text x="{x(place):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{escape(label)}</text>'
        )
    for index, (name, points) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        line = " ".join(f"{x(across):.1f},{y(upwards):.1f}" for across, upwards in points)
        height = TOP + 8 + index * 20
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{3 if index == 0 else 1.75}"/>'
            f'<line x1="{WIDTH - RIGHT + 14}" x2="{WIDTH - RIGHT + 36}" y1="{height}" y2="{height}"'
            f' stroke="{colour}" stroke-width="3"/>'
            f'<text x="{WIDTH - RIGHT + 42}" y="{height + 4}">{escape(name)}</text>'
        )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
