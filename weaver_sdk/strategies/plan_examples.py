"""Questions with their plans, as a model is shown them. Half are answered in one piece."""

from __future__ import annotations

from weaver_sdk.strategies.plan import Part, Plan, PlanExample

EXAMPLES = (
    PlanExample("At what temperature does water boil on a mountain of 3000 m?"),
    PlanExample(
        "Compare electric cars and petrol cars for a family in a small town.",
        Plan(
            (
                Part("Electric cars"),
                Part("Petrol cars"),
                Part("Which to take"),
            )
        ),
    ),
    PlanExample("Write a limerick about a cat."),
    PlanExample(
        "Write product texts for a tea shop: green tea, mint tea and black tea.",
        Plan(
            (
                Part("Green tea"),
                Part("Mint tea"),
                Part("Black tea"),
            )
        ),
    ),
    PlanExample("A tank holds 240 litres and loses 3 litres an hour. When is it half empty?"),
    PlanExample(
        "Give me four ideas for a rainy afternoon with children.",
        Plan(
            (
                Part("Build a den of blankets"),
                Part("Bake star biscuits"),
                Part("Make a paper theatre"),
                Part("Hunt a treasure in the flat"),
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
        "Work out 12*17 + 8*23 + 31*9.",
        Plan((Part("12*17", "", "line"), Part("8*23", "", "line"), Part("31*9", "", "line")), then="combine"),
    ),
    PlanExample(
        "Write two Java methods: one that adds up a list, and one that finds its largest element.",
        Plan((Part("sum"), Part("largest"))),
    ),
    PlanExample(
        "Describe the origin, the growth and the decline of the Hanseatic League.",
        Plan(
            (
                Part("Origin", "", "section"),
                Part("Growth", "", "section"),
                Part("Decline", "", "section"),
            ),
        ),
    ),
    PlanExample("Give a shell command that finds big files, and say in a sentence what it does."),
    PlanExample(
        "Write two short speeches of about 100 words each: one for a wedding, one for a farewell at work.",
        Plan((Part("Wedding speech"), Part("Farewell speech"))),
    ),
    PlanExample("Write a Rust function that merges two sorted lists."),
    PlanExample("Which is heavier, a litre of oil or a litre of water?"),
    PlanExample(
        "A JSON array of two rivers, each with name, length and a description. JSON alone.",
        Plan(
            (Part("Nile"), Part("Danube")),
            "json",
        ),
    ),
)
"""Examples of our own."""
