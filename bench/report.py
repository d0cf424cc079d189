"""A table and SVG charts of what bench/run measured: bars with the spread of the rounds, and a mark at what is demanded; and what the loads were."""

import html
import os

WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 900, 18, 12, 430, 120, 54
INK, GOOD, BAD, PLAIN, FAINT = "#24292f", "#2e7d4f", "#b3503c", "#5b7083", "#c9d1d9"


def text(x, y, words, size=12, anchor="start", weight="normal"):
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{INK}">{html.escape(words)}</text>'


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def bar(row, y, scale):
    low, high, mid = min(row["values"]), max(row["values"]), row["median"]
    color = {True: GOOD, False: BAD, None: PLAIN}[row["reached"]]
    limit = row["least"] if row["least"] is not None else row["most"]
    parts = [text(LEFT - 8, y + BAR - 5, row["what"], anchor="end"),
             f'<rect x="{LEFT}" y="{y}" width="{max(scale(mid), 1):.1f}" height="{BAR}" fill="{color}"/>',
             f'<path d="M{LEFT + scale(low):.1f} {y + BAR / 2}H{LEFT + scale(high):.1f}" stroke="{INK}" stroke-width="1.5"/>',
             text(WIDTH - RIGHT + 10, y + BAR - 5, f"{number(mid)} {row['unit']}".strip())]
    if limit is not None:
        parts.append(f'<path d="M{LEFT + scale(limit):.1f} {y - 3}V{y + BAR + 3}" stroke="{INK}" stroke-width="2" stroke-dasharray="3 2"/>')
    return "".join(parts)


def chart(title, subtitle, rows):
    """One axis for all rows, so they must be of one unit."""
    largest = max(max([*row["values"], row["least"] or 0, row["most"] or 0]) for row in rows) or 1

    def scale(value):
        return max(value, 0) / largest * (WIDTH - LEFT - RIGHT)

    height = TOP + len(rows) * (BAR + GAP) + 10
    body = "".join(bar(row, TOP + i * (BAR + GAP), scale) for i, row in enumerate(rows))
    axis = f'<path d="M{LEFT} {TOP - 6}V{height - 10}" stroke="{FAINT}"/>'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">'
            f'<rect width="100%" height="100%" fill="#ffffff"/>{text(16, 24, title, 16, weight="bold")}{text(16, 42, subtitle)}{axis}{body}</svg>\n')


def amount(value, unit):
    return "-" if value is None else f"{number(value)} {unit}".replace(" /s", "/s").strip()


def load_of(run):
    """The load of a run in one line: the parameters that are not nothing, and when it is durable."""
    hidden = ("warmup", "drain", "request", "reply", "topic", "event")
    words = [f"{name} {value:g}" for name, value in run["parameters"].items() if value and name not in hidden]
    frames = [f"{name} {run['parameters'][name]:g}" for name in hidden[2:] if name in run["parameters"]]
    return f"{run['name']}: {', '.join(words)}{'; bytes of frames: ' if frames else ''}{', '.join(frames)}; {run['sync']}"


def loads(runs):
    """Each different one."""
    return list(dict.fromkeys(load_of(run) for run in runs))


def instructions():
    """The figure that CI holds the broker to."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.figure")) as f:
        own, libraries = (int(line.split()[0]) for line in f)
    return f"Instructions of the broker per send (`bench/instructions`): {own:,} of its own, {libraries:,} of libraries."


def table(out):
    """All rows as Markdown."""
    m, load = out["machine"], out["load"]
    lines = [f"{m['cpus']} x {m['model']}, Linux {m['kernel']}, {m['filesystem']}; load {m['load']:.0f} when it began; {load['rounds']} rounds, or {load['pairs']} pairs, of {load['seconds']:g} s.",
             "", "| figure | demanded | median | spread | of | reached | |", "|---|---|---|---|---|---|---|"]
    for scenario in out["scenarios"].values():
        for row in scenario["rows"]:
            demanded = f">= {amount(row['least'], row['unit'])}" if row["least"] is not None else f"<= {amount(row['most'], row['unit'])}" if row["most"] is not None else ""
            spread = f"{number(min(row['values']))} .. {number(max(row['values']))}" if len(row["values"]) > 1 else ""
            verdict = {True: "yes", False: "**no**", None: "" if row["values"] else "not measured"}[row["reached"]]
            lines.append(f"| {row['what']} | {demanded} | {amount(row['median'], row['unit'])} | {spread} | {len(row['values'])} | {verdict} | {row['note']} |")
    lines += [f"| {name} | | failed: {why.splitlines()[0]} | | | | |" for name, why in out["failed"].items()]
    lines += ["", instructions(), "", "What was run:", ""]
    lines += [f"- {name}: {line}" for name, scenario in out["scenarios"].items() for line in loads(scenario["runs"])]
    return "\n".join(lines) + "\n"


def write_all(out, directory):
    """The table, and a chart for the ratios, one for rates, one for latencies, and so on: one per unit."""
    os.makedirs(directory, exist_ok=True)
    m, load = out["machine"], out["load"]
    subtitle = f"median of {load['rounds']} rounds or {load['pairs']} pairs (dear ones: fewer) of {load['seconds']:g} s; line: smallest to largest; dashes: demanded; {m['cpus']} x {m['model']}, load {m['load']:.0f}"
    titles = {"x": ("ratios", "Beside others"), "/s": ("rates", "Per second"), "us": ("microseconds", "Microseconds"), "ms": ("milliseconds", "Milliseconds"), "s": ("seconds", "Seconds"),
              "MB": ("memory", "Memory, MB"), "MB/s": ("megabytes", "Megabytes per second")}
    by_unit = {}
    for scenario in out["scenarios"].values():
        for row in scenario["rows"]:
            if row["values"] and row["unit"] in titles:
                by_unit.setdefault(row["unit"], []).append(row)
    with open(os.path.join(directory, "figures.md"), "w") as f:
        f.write(table(out))
    for unit, rows in by_unit.items():
        name, title = titles[unit]
        with open(os.path.join(directory, f"{name}.svg"), "w") as f:
            f.write(chart(title, subtitle, rows))
