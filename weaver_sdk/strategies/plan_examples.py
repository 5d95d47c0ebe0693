"""Questions with their plans, as a model is shown them. Half are answered in one piece."""

from __future__ import annotations

from weaver_sdk.strategies.plan import Part, Plan, PlanExample

_CAR = "cost, range and upkeep for this family"
_TEA = "product text: taste, origin, when to drink it"

EXAMPLES = (
    PlanExample("At what temperature does water boil on a mountain of 3000 m?"),
    PlanExample(
        "Compare electric cars and petrol cars for a family in a small town.",
        Plan(
            (Part("Electric cars", _CAR, "section"), Part("Petrol cars", _CAR, "section")),
            "sections",
            "combine",
        ),
    ),
    PlanExample("Write a limerick about a cat."),
    PlanExample(
        "Write product texts for a tea shop: green tea, mint tea and black tea.",
        Plan((Part("Green tea", _TEA), Part("Mint tea", _TEA), Part("Black tea", _TEA))),
    ),
    PlanExample("A tank holds 240 litres and loses 3 litres an hour. When is it half empty?"),
    PlanExample(
        "Give me four ideas for a rainy afternoon with children.",
        Plan(
            (
                Part("Build a den", "blankets, chairs, a story inside"),
                Part("Bake together", "simple dough, shapes, tasks by age"),
                Part("Paper theatre", "figures, a stage in a box, a play"),
                Part("Treasure hunt", "clues in the flat, riddles, a prize"),
            ),
            "numbered",
        ),
    ),
    PlanExample("Write a JavaScript function that turns a text into title case."),
    PlanExample(
        "Plan a weekend in Vienna with a supper on each day.",
        Plan(
            (
                Part(
                    "Saturday: the old town", "cathedral, Hofburg, coffee house; supper: goulash", "section"
                ),
                Part("Sunday: the green side", "Schönbrunn, Prater, river; supper: dumplings", "section"),
            ),
        ),
    ),
    PlanExample("Explain in two sentences what a mortgage is."),
    PlanExample(
        "Write two Java methods: one that adds up a list, and one that finds its largest element.",
        Plan((Part("sum", "adds up a list; code"), Part("largest", "finds the largest element; code"))),
    ),
    PlanExample(
        "Describe the origin, the growth and the decline of the Hanseatic League.",
        Plan(
            (
                Part("Origin", "first towns, trade routes, reasons", "section"),
                Part("Growth", "members, goods, power", "section"),
                Part("Decline", "rivals, wars, new routes", "section"),
            ),
        ),
    ),
    PlanExample("Which is heavier, a litre of oil or a litre of water?"),
    PlanExample(
        "A JSON array of two rivers, each with name, length and a description. JSON alone.",
        Plan(
            (Part("Nile", "name, length, description"), Part("Danube", "name, length, description")), "json"
        ),
    ),
)
"""Examples of our own."""
