"""The 36 questions: 20 with three parts or more, 4 with two, 12 of one piece, each with its checklist.

The parts of a question are independent: none needs what another says. Patterns look for what any good answer
says, however it is laid out: under headings, in a list, in a table or in running text.
"""

from __future__ import annotations

from benchmarks.answers.question import Entry, Function, Item, Named, Question, Statement, Whole

THREE_OR_MORE = (
    Question(
        "databases",
        "Compare SQLite, PostgreSQL and MySQL for a small web shop.",
        (Named("SQLite"), Named("PostgreSQL", r"postgres"), Named("MySQL")),
    ),
    Question(
        "languages",
        "Compare Python, Go, Rust and JavaScript for writing a command-line tool.",
        (
            Named("Python"),
            Named("Go", r"\b(?-i:Go)\b(?! (?:for|with|to)\b)|\bgolang\b"),
            Named("Rust", r"\brust\b"),
            Named("JavaScript", r"javascript|\bnode(?:\.js)?\b"),
        ),
    ),
    Question(
        "rome",
        "Plan a three-day trip to Rome.",
        (
            Named("day 1", r"\bday (?:1|one)\b|\b(?:first|1st) day\b"),
            Named("day 2", r"\bday (?:2|two)\b|\b(?:second|2nd) day\b"),
            Named("day 3", r"\bday (?:3|three)\b|\b(?:third|3rd|last|final) day\b"),
        ),
    ),
    Question(
        "dinners",
        "Plan a vegetarian dinner for each day from Monday to Friday: name the dish, its ingredients and "
        "how to prepare it.",
        (Named("Monday"), Named("Tuesday"), Named("Wednesday"), Named("Thursday"), Named("Friday")),
    ),
    Question(
        "training",
        "Make a four-week training plan for beginners in each of three sports: running, swimming and "
        "cycling.",
        (
            Named("running", r"\brun(?:ning|s|ner)?\b|\bjog", 25),
            Named("swimming", r"\bsw[ia]m", 25),
            Named("cycling", r"\bcycl|\bbik(?:e|ing)|\brid(?:e|ing)\b", 25),
        ),
    ),
    Question(
        "emails",
        "Write three short e-mails: one asks the landlord to repair the heating, one thanks a colleague "
        "for her help with moving house, one cancels an appointment with the dentist.",
        (
            Named("landlord", r"landlord|\bheat(?:ing|er)?\b|radiator", 20),
            Named("colleague", r"colleague|\bmov(?:e|ing)\b|thank(?:s| you)[\w ]* help", 20),
            Named("dentist", r"dentist|dental|appointment", 20),
        ),
    ),
    Question(
        "letters",
        "Write three short letters from a school to the parents of a class: an invitation to the summer "
        "party, a reminder of the swimming lessons, and a notice that the school bus leaves later from "
        "Monday on.",
        (
            Named("summer party", r"summer|party", 20),
            Named("swimming lessons", r"swim", 20),
            Named("school bus", r"\bbus\b", 20),
        ),
    ),
    Question(
        "products",
        "Write a product text of two or three sentences for each of these: a bamboo toothbrush, a steel "
        "water bottle, a wool blanket and a bicycle bell.",
        (
            Named("toothbrush", r"toothbrush"),
            Named("bottle", r"bottle"),
            Named("blanket", r"blanket"),
            Named("bell", r"\bbell\b"),
        ),
    ),
    Question(
        "jobs",
        "Write a short job advertisement for each of these: a baker, a bus driver and a night nurse.",
        (
            Named("baker", r"\bbak(?:er|ery|ing)\b"),
            Named("bus driver", r"\bdriver|\bbus\b"),
            Named("nurse", r"\bnurs"),
        ),
    ),
    Question(
        "stories",
        "Write three very short stories of about 80 words each: one about a lighthouse keeper, one about "
        "a lost dog, one about a broken clock.",
        (
            Named("lighthouse keeper", r"lighthouse|keeper", 40),
            Named("lost dog", r"\bdog\b", 40),
            Named("broken clock", r"\bclock\b", 40),
        ),
    ),
    Question(
        "functions",
        "Write three Python functions with docstrings: is_palindrome(text), count_vowels(text) and "
        "word_frequencies(text).",
        (Function("is_palindrome"), Function("count_vowels"), Function("word_frequencies")),
    ),
    Question(
        "classes",
        "Write three Python classes: Stack, Queue and LinkedList, each with methods to add, to remove and"
        " to count elements.",
        (Function("Stack"), Function("Queue"), Function("LinkedList")),
    ),
    Question(
        "queries",
        "There are two tables, customers(id, name, city) and orders(id, customer_id, total, day). Write "
        "three SQL queries and explain each in a sentence: the customers without orders, the sum of the "
        "totals for each city, and the ten largest orders with the name of the customer.",
        (
            Statement(
                "customers without orders",
                (r"customers", r"left\s+(?:outer\s+)?join|not\s+exists|not\s+in|except"),
            ),
            Statement("totals by city", (r"sum\s*\(", r"group\s+by[\s\S]*city")),
            Statement(
                "largest orders",
                (r"order\s+by[\s\S]*total", r"limit\s+10|top\s*\(?10|fetch\s+first\s+10", r"name"),
            ),
        ),
    ),
    Question(
        "tables",
        "Make three Markdown tables of four rows each: European capitals with country and river, planets "
        "with diameter and number of moons, and programming languages with year and author.",
        (
            Named("capitals", r"capital", 12),
            Named("planets", r"planet", 12),
            Named("languages", r"language", 12),
        ),
    ),
    Question(
        "lessons",
        "Write a lesson outline for ten-year-olds on each of these topics: fractions, the water cycle and"
        " volcanoes. Give an aim, three steps and a piece of homework for each.",
        (
            Named("fractions", r"\bfraction", 30),
            Named("water cycle", r"water cycle|evaporation", 30),
            Named("volcanoes", r"\bvolcan", 30),
        ),
    ),
    Question(
        "characters",
        "Give a JSON list of four invented characters for a fantasy novel, each an object with the keys "
        "name, occupation, appearance and backstory (two sentences).",
        tuple(Entry(number, ("name", "occupation", "appearance", "backstory")) for number in (1, 2, 3, 4)),
    ),
    Question(
        "sleep",
        "Give five tips for better sleep, each with a sentence or two of explanation.",
        tuple(Item(number) for number in (1, 2, 3, 4, 5)),
    ),
    Question(
        "roles",
        "Describe the duties of a project manager, a designer, a developer and a tester in a software team.",
        (
            Named("project manager", r"\bmanager"),
            Named("designer", r"\bdesigner"),
            Named("developer", r"\bdeveloper"),
            Named("tester", r"\btester|quality assurance"),
        ),
    ),
    Question(
        "war",
        "Explain the causes, the course and the consequences of the First World War.",
        (
            Named("causes", r"\bcause|\borigins?\b|\bled to the war\b", 15),
            Named(
                "course", r"\bcourse\b(?<!of course)|\bmajor events\b|\bbattle|\bwestern front\b|\btrench", 25
            ),
            Named(
                "consequences",
                r"\bconsequence|\baftermath|\bimpact\b|\btreaty of versailles|\bresulted in",
                15,
            ),
        ),
    ),
    Question(
        "readme",
        "Write the sections Installation, Usage, Configuration and Contributing of the README of a "
        "command-line tool called tidy, which sorts the files of a folder by their kind.",
        (
            Named("Installation", r"\binstall", 8),
            Named("Usage", r"\busage\b|\buse\b", 8),
            Named("Configuration", r"\bconfigur", 8),
            Named("Contributing", r"\bcontribut", 8),
        ),
    ),
)

TWO = (
    Question(
        "two functions",
        "Write a Python function that checks whether a number is prime, and one that reverses the order "
        "of the words of a sentence.",
        (Function("prime", r"\w*prime\w*"), Function("words", r"\w*(?:reverse|words?|sentence)\w*")),
    ),
    Question(
        "two letters",
        "Write a letter of complaint to an airline about lost luggage, and a letter of thanks to a hotel "
        "for its service.",
        (
            Named("airline", r"airline|luggage|baggage|flight|complaint", 30),
            Named("hotel", r"\bhotel|\bstay\b|\bthank(?:s|ful)?[- ](?:letter|note)|letter of thanks", 30),
        ),
    ),
    Question(
        "home office",
        "What are the advantages and the disadvantages of working from home?",
        (
            Named("advantages", r"\badvantage|\bpros\b|\bbenefit", 25),
            Named("disadvantages", r"\bdisadvantage|\bcons\b|\bdrawback|\bdownside", 25),
        ),
    ),
    Question(
        "recipes",
        "Give a recipe for pancakes and a recipe for tomato soup.",
        (Named("pancakes", r"pancake", 30), Named("tomato soup", r"\bsoup\b|\btomato", 30)),
    ),
)

ONE_PIECE = (
    Question("capital", "What is the capital of Australia?", (Whole(r"\bCanberra\b"),)),
    Question("older", "Which is older, the Colosseum or the Eiffel Tower?", (Whole(r"\bColosseum\b"),)),
    Question(
        "search",
        "Write a Python function that finds a number in a sorted list by binary search.",
        (Function("search", r"\w*(?:search|find)\w*"),),
    ),
    Question(
        "root",
        "Prove that the square root of 2 is irrational.",
        (Whole(r"\beven\b|\bdivisible|common factor|coprime", 40),),
    ),
    Question(
        "translation",
        "Translate into French: The last train leaves at midnight, so we must hurry.",
        (Whole(r"\bminuit\b", 6),),
    ),
    Question(
        "story",
        "Write a story of one paragraph about a boy who finds a key on the beach.",
        (Whole(r"\bkey\b", 40),),
    ),
    Question("haiku", "Write a haiku about rain.", (Whole(r"\w", 6),)),
    Question("sky", "Explain in a few sentences why the sky is blue.", (Whole(r"scatter", 20),)),
    Question(
        "fix",
        "Fix this line of Python: `for i in range(len(items) print(items[i])`",
        (Whole(r"for \w+ in (?:range\(len\(items\)\)|items|enumerate\(items\)):\s*print\("),),
    ),
    Question(
        "dates",
        "Give a regular expression that matches dates such as 2026-11-25, and say in one sentence how it "
        "works.",
        (Whole(r"\\d|\[0-9\]", 8),),
    ),
    Question(
        "polite",
        "Make this sentence polite: Send me the report today or I will talk to your boss.",
        (Whole(r"please|could you|would you|kindly|appreciate", 5),),
    ),
    Question(
        "train",
        "A train leaves at 9:40 and takes 2 hours and 35 minutes. It waits 15 minutes on the way, which "
        "is not counted in that. When does it arrive?",
        (Whole(r"\b12[:.]30\b"),),
    ),
)

QUESTIONS = (*THREE_OR_MORE, *TWO, *ONE_PIECE)
