"""Write docs/speed.md from the committed throughput results: `python benchmarks/speed.py`.

A test compares the page with what this makes of the files, so that no figure can be typed.
"""

import json
from pathlib import Path
from typing import Any

from mechaug.files import write_bytes
from mechaug.mechanisms import CHAIN_ORDER

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "0.1.0"
PAGE = ROOT / "docs" / "speed.md"
CHAIN_DOMAIN = {cls.__name__: cls.domain for cls in CHAIN_ORDER}


def page(record: dict[str, Any]) -> str:
    """The page in Markdown, losses beside wins; with what a GPU did, where that was measured."""
    where = record["environment"]
    libraries = ", ".join(f"{name} {version}" for name, version in where["libraries"].items() if version)
    lines = [
        "# Speed",
        "",
        "Pictures per second, draws included, from stored sRGB values to stored sRGB values: what a loop pays. "
        "Every figure is the median of "
        f"{record['runs']} runs in which all contenders of a row took turns; ratios are the figures to trust, because "
        "machines are noisy. `in a chain` is the transform alone, in its own domain: a chain converts between picture "
        "and light once for all its mechanisms. A *rival* is batched, differentiable and draws per picture, as every "
        "mechanism here does; *any* is the fastest operation of any library, one by one or one draw for the batch. "
        "Peers do less physics (no units, stored values instead of light), which their speed shows and ours does not "
        "hide.",
        "",
        f"{where['threads']} threads of one {where['processor']}, {where['date']}; {libraries}. Made by "
        "`benchmarks/throughput.py` and `benchmarks/speed.py` from "
        "[the result](../benchmarks/results/0.1.0/throughput-cpu.json).",
    ]
    for size, result in record["sizes"].items():
        count = result["batch"][0]
        lines += [
            "",
            f"## {count} × 3 × {size} × {size} ({result['pictures']})",
            "",
            "| mechanism | pictures/s | in a chain | draws | best rival | ratio | best of any | ratio |",
            "|---|--:|--:|--:|---|--:|---|--:|",
        ]
        lines += [_row(row) for row in result["rows"]]
        lost = [row for row in result["rows"] if (row["ratio_to_best_rival"] or 1) < 1]
        lost += [row for row in result["rows"] if (row["ratio_to_best"] or 1) < 0.5 and row not in lost]
        lines += ["", _goals({row["name"]: row for row in result["rows"]}, size, result.get("conversions_per_s"))]
        tried = [row for row in result["rows"] if "compiled" in row]
        if tried:
            ratios = ", ".join(f"{row['name']} {_ratio(_gain(row))}" for row in tried)
            lines += [
                "",
                f"`torch.compile` of the transform against eager: {ratios}. "
                "Compiled code cannot look at values, so that it sizes blurs for the widest and computes absent parts; "
                "eager is the default.",
            ]
        if lost:
            names = ", ".join(f"{row['name']} ({_worst(row):.2f}×)" for row in lost)
            lines += ["", f"Slower than a rival, or less than half as fast as any: {names}."]
    memory = record.get("peak_memory_in_batches")
    if memory:
        peaks = " and ".join(f"{value:.1f} batches at {size}×{size}" for size, value in memory.items())
        lines += ["", f"Peak memory of the full chain of eight stages: {peaks}, beyond the batch itself."]
    for cost in sorted(RESULTS.glob("training-cost-*.json")):
        lines += _training_lines(json.loads(cost.read_text(encoding="utf-8")))
    on_device = RESULTS / "throughput-cuda.json"
    if on_device.exists():
        lines += _device_lines(json.loads(on_device.read_text(encoding="utf-8")))
    if record["left_out"]:
        lines += ["", "Left out: " + "; ".join(f"{name} ({why})" for name, why in record["left_out"].items()) + "."]
    return "\n".join(lines) + "\n"


def _training_lines(record: dict[str, Any]) -> list[str]:
    """What an epoch costs, the augmentation in it."""
    where = record["environment"]
    place = where["device"] if where["device"] != "cpu" else f"{where['threads']} threads of one {where['processor']}"
    height, width = record["picture"][1:]
    lines = [
        "",
        f"## An epoch of training: {place}",
        "",
        f"{record['train_size']:,} pictures of {width}×{height} ({record['data']}) in batches of "
        f"{record['batch_size']}; median of {record['runs']} runs in turns. JSD takes the clean picture and two views "
        "through the net, so that it costs three plain steps before anything is augmented. Made by "
        f"`benchmarks/training_cost.py`, {where['date']}.",
        "",
        "| net | trained with | pictures/s | of a plain epoch |",
        "|---|---|--:|--:|",
    ]
    for one in record["nets"]:
        lines += [
            f"| {one['net']} | {row['name']} | {_count(row['pictures_per_s'])} | {row['of_plain']:.2f}× |"
            for row in one["rows"]
        ]
        seconds = {row["name"]: row["median_s"] for row in one["rows"]}
        rival = min((name for name in seconds if "Pillow" in name), key=seconds.__getitem__)
        share = seconds["Mechanistic"] / seconds[rival]
        lines += [
            "",
            f"The recipe of mechanisms takes {share:.2f} of the time of AugMix + JSD on Pillow images (goal: no more; "
            f"aim: a third) with `{one['net']}`.",
        ]
    return lines


def _device_lines(record: dict[str, Any]) -> list[str]:
    where = record["environment"]
    libraries = ", ".join(f"{name} {version}" for name, version in where["libraries"].items() if version)
    lines = [
        "",
        f"## On a GPU: {where['device']}",
        "",
        f"{where['date']}; {libraries}. It copies {record['copy_bytes_per_s'] / 1e12:.2f} TB/s, read and written. "
        "*Of a copy* is the time in which it would copy the batch over the time taken: what is left of it is the price "
        "of several passes over the pictures and, in small batches, of starting them. Times are those of the device's "
        "events, draws on the host included; memory is in sizes of the batch.",
    ]
    for size, result in record["sizes"].items():
        lines += [
            "",
            f"### {result['batch'][0]} × 3 × {size} × {size} ({result['pictures']})",
            "",
            "| mechanism | pictures/s | of a copy | in a chain | of a copy | draws | memory | best rival | ratio |",
            "|---|--:|--:|--:|--:|--:|--:|---|--:|",
        ]
        lines += [_device_row(row) for row in result["rows"]]
    return lines


def _device_row(row: dict[str, Any]) -> str:
    cells = [
        row["name"],
        f"**{_count(row['per_s'])}**",
        f"{100 * row['share_of_copy_bandwidth']:.2g} %",
        _count(row["transform_per_s"]),
        f"{100 * row['transform_share_of_copy_bandwidth']:.2g} %",
        f"{100 * row['sample_share']:.0f} %",
        f"{row['peak_memory_in_batches']:.1f}",
        _best([peer for peer in row["peers"] if peer["rival"]]),
        _ratio(row["ratio_to_best_rival"]),
    ]
    return f"| {' | '.join(cells)} |"


def _best(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "–"
    first = max(rows, key=lambda peer: peer["per_s"])
    return f"{first['library']} {first['operation']} {_count(first['per_s'])}"


def _row(row: dict[str, Any]) -> str:
    rivals = [peer for peer in row["peers"] if peer["rival"]]
    cells = [
        row["name"],
        f"**{_count(row['per_s'])}**",
        _count(row["transform_per_s"]),
        f"{100 * row['sample_share']:.0f} %",
        _best(rivals),
        _ratio(row["ratio_to_best_rival"]),
        _best(row["peers"]),
        _ratio(row["ratio_to_best"]),
    ]
    return f"| {' | '.join(cells)} |"


def _goals(rows: dict[str, Any], size: str, conversions: float | None) -> str:
    """The comparisons that were set as goals, by the peers that do the same."""
    goals = (
        ("Shot noise", "Sensor", ("ShotNoise", "shot_noise"), 5.0),
        ("Haze", "Haze", ("RandomFog", "fog"), 5.0),
        ("The chain of eight stages against AugMix with operators per picture", "full chain",
         ("AugMix on Pillow images", "AugMix, picture by picture"), 4.0 if size == "32" else 1.5),
    )  # fmt: skip
    found = []
    for what, name, operations, goal in goals:
        peers = [peer["per_s"] for peer in rows[name]["peers"] if peer["operation"] in operations]
        ratio = rows[name]["per_s"] / max(peers)
        found.append(
            f"{what}: {_ratio(ratio)} the best peer (goal {goal:g}×, {'met' if ratio >= goal else 'not met'})."
        )
    slower = [row["name"] for row in rows.values() if (row["ratio_to_best_rival"] or 1) < 1]
    shared = [
        name for name in slower
        if rows[name]["transform_per_s"] >= max(peer["per_s"] for peer in rows[name]["peers"] if peer["rival"])
    ]  # fmt: skip
    if conversions:
        rivals = {name: max(peer["per_s"] for peer in rows[name]["peers"] if peer["rival"]) for name in slower}
        beyond = [name for name in slower if rivals[name] > conversions and CHAIN_DOMAIN.get(name) == "light"]
        found.append(
            f"To light and back alone runs at {_count(conversions)} pictures a second, the most that a mechanism of "
            f"light can reach outside of a chain. Rivals beyond that: {', '.join(beyond) or 'none'}."
        )
    found.append(
        f"Of {len(slower)} mechanisms slower than a rival where each pays for its own conversions, {len(shared)} are "
        f"at least as fast where a chain shares them: {', '.join(shared)}."
    )
    return " ".join(found)


def _gain(row: dict[str, Any]) -> float:
    return row["compiled"]["compiled"] / row["compiled"]["eager"]


def _worst(row: dict[str, Any]) -> float:
    return min(ratio for ratio in (row["ratio_to_best_rival"], row["ratio_to_best"]) if ratio)


def _count(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}×" if value < 10 else f"{value:.0f}×"


def main() -> None:
    record = json.loads((RESULTS / "throughput-cpu.json").read_text(encoding="utf-8"))
    write_bytes(PAGE, page(record).encode())
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
