"""Answers written by hand, by question: good ones in many layouts, and bad ones with what they lack."""

GOOD = {
    "databases": """\
SQLite, PostgreSQL and MySQL all work for a small shop, but they differ.

**SQLite** keeps everything in one file and needs no server. It is easy to back up, but only one writer at a
time can change data.

**PostgreSQL** is a full server with strict types, transactions and many extensions; it scales well as the
shop grows.

**MySQL** is a server that nearly every web host offers. It is fast for simple reads and has many tools.

In conclusion, begin with SQLite if there is one machine, else take PostgreSQL.
""",
    "databases, by criteria": """\
## Performance
- SQLite: fast for reads on one machine, slow when many clients write at once.
- PostgreSQL: good for many clients that read and write at the same time.
- MySQL: very fast for simple reads from many clients.

## Upkeep
- SQLite: nothing to install, and a backup is a copy of the file.
- PostgreSQL: a server to install, to update and to watch.
- MySQL: a server too, but most hosts run one for you.
""",
    "databases, in a table": """\
| | SQLite | PostgreSQL | MySQL |
| --- | --- | --- | --- |
| Server | none, everything is in one file | a server to install and to update | most hosts offer one |
| Writers | one at a time, others wait | many at once, with strict transactions | many at once, locks by row |
| Good for | one machine and a few orders | a shop that is going to grow | a shop with a common web host |
""",
    "rome": """\
On the first day, walk from the Colosseum over the Forum to the Capitol. In the evening, eat in Monti, and go
to bed early.

On the second day, see the Vatican museums and St Peter's. Be early, and rest after lunch.

Your last day is for the Borghese gallery, the Spanish Steps and the Trevi fountain. Book the gallery ahead.
""",
    "rome, in a list": """\
1. Day 1: Ancient Rome
   - Morning: the Colosseum and the Forum, with tickets bought ahead.
   - Evening: dinner in Monti and a walk along the river.
2. Day 2: The Vatican
   - Morning: the museums and the Sistine chapel before the crowds come.
   - Evening: Trastevere, where the small restaurants are.
3. Day 3: Parks and fountains
   - Morning: the Borghese gallery and its park.
   - Evening: the Trevi fountain, the Pantheon and an ice cream.
""",
    "dinners": """\
### Monday: Lentil curry
**Ingredients:** red lentils, coconut milk, curry paste, rice
**Preparation:** Cook the lentils in the milk with the paste for twenty minutes.

### Tuesday: Pasta with beans
**Ingredients:** pasta, white beans, sage, garlic
**Preparation:** Fry garlic and sage, add the beans, and stir in the cooked pasta.

### Wednesday: Vegetable stew
**Ingredients:** carrots, potatoes, leek, stock
**Preparation:** Cut everything into cubes and let it simmer for half an hour.

### Thursday: Mushroom risotto
**Ingredients:** rice for risotto, mushrooms, white wine, parmesan
**Preparation:** Toast the rice, add the wine, then hot water by the ladle until it is creamy.

### Friday: Stuffed peppers
**Ingredients:** peppers, couscous, feta, mint
**Preparation:** Fill the peppers with soaked couscous and feta, and bake them.
""",
    "emails": """\
**E-mail 1**

Subject: Repair of the heating

Dear Mr Hill,

the radiator in my living room has been cold since Monday. Could you please send somebody this week to
repair it? I am at home every day after four.

Best regards,
Anna

---

**E-mail 2**

Subject: Thank you!

Hi Mia,

thank you so much for carrying all those boxes with me on Saturday. Without my best colleague I would still be
moving today. Dinner is on me next week.

Anna

---

**E-mail 3**

Subject: Appointment on Friday

Dear Dr Lee,

unfortunately I cannot come to my appointment on Friday at ten. Could I please have a new one in the week
after? I am sorry for the trouble.

Kind regards,
Anna
""",
    "products": """\
1. **Bamboo toothbrush**: Soft bristles and a handle that grows back. It cleans as well as plastic, and rots
   in your garden when it is done.
2. **Steel water bottle**: Keeps tea hot for twelve hours and water cold for a day. It survives every fall.
3. **Wool blanket**: Woven from the wool of one flock, warm in winter and light in summer evenings.
4. **Bicycle bell**: One clear note that everybody hears and nobody minds. It is made of brass and lasts.
""",
    "functions": """\
```python
def is_palindrome(text):
    \"\"\"Return whether a text reads the same backwards.\"\"\"
    return text == text[::-1]


def count_vowels(text):
    \"\"\"Return the number of vowels.\"\"\"
    return sum(letter in "aeiou" for letter in text.lower())
```

And the third:

```python
def word_frequencies(text):
    \"\"\"Return how often each word occurs.\"\"\"
    counts = {}

    for word in text.split():
        counts[word] = counts.get(word, 0) + 1
    return counts
```
""",
    "queries": """\
The customers without orders are those for which the join finds none:

```sql
SELECT c.* FROM customers c
LEFT JOIN orders o ON o.customer_id = c.id
WHERE o.id IS NULL;
```

The totals are summed up for each city:

```sql
SELECT c.city, SUM(o.total) FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.city;
```

The ten largest orders come first when they are sorted:

```sql
SELECT c.name, o.total FROM orders o JOIN customers c ON c.id = o.customer_id ORDER BY o.total DESC LIMIT 10;
```
""",
    "tables": """\
### European capitals

| Capital | Country | River |
| --- | --- | --- |
| Paris | France | Seine |
| Vienna | Austria | Danube |
| Rome | Italy | Tiber |
| London | United Kingdom | Thames |

### Planets

| Name | Diameter | Moons |
| --- | --- | --- |
| Mercury | 4,879 km | 0 |
| Venus | 12,104 km | 0 |
| Earth | 12,742 km | 1 |
| Mars | 6,779 km | 2 |

### Programming languages

| Name | Year | Author |
| --- | --- | --- |
| C | 1972 | Dennis Ritchie |
| Python | 1991 | Guido van Rossum |
| Ruby | 1995 | Yukihiro Matsumoto |
| Perl | 1987 | Larry Wall |
""",
    "characters": """\
```json
[
  {"name": "Ada", "occupation": "smith", "appearance": "tall", "backstory": "She left home. She came back."},
  {"name": "Bo", "occupation": "thief", "appearance": "small", "backstory": "He stole a crown. He is sorry."},
  {"name": "Cy", "occupation": "mage", "appearance": "old", "backstory": "He lost a bet. Now he is awake."},
  {"name": "Di", "occupation": "cook", "appearance": "round", "backstory": "She fed an army. They won."}
]
```
""",
    "sleep": """\
Here are five tips:

1. **Keep a schedule.** Go to bed at the same time every day, at weekends too.
2. **No screens.** Their light keeps you awake, so read a book in the last hour.
3. **A cool room.** Open the window before you go to bed: 18 degrees are best.
4. **Less coffee.** Drink the last cup before two, for it works for eight hours.
5. **Move.** A walk in the afternoon makes you tired at the right time.

Sleep well!
""",
    "sleep, under headings": """\
# Five tips

## Keep a schedule

Your body learns when the night begins if it begins at the same time.

## No screens

Their light tells your brain that it is noon, so put the telephone into another room.

## A cool room

Open the window for ten minutes before you go to bed.

## Less coffee

Half of a cup that you drink at four is still in your blood at ten.

## Move

People who walk for half an hour a day fall asleep sooner.
""",
    "home office": """\
Pros:
- No way to work: most people save an hour every day, which they can spend with their family instead.
- Quiet: nobody stands at your desk with a question, so hard work gets done.

Cons:
- Loneliness: without colleagues at lunch many people feel cut off after some months at their kitchen table.
- No end of the day: work is always in the next room, and so are its messages.
""",
    "recipes": """\
**Pancakes**

**Ingredients:**
- 200 g flour, 2 eggs, 400 ml milk, a pinch of salt

**Steps:**
1. Whisk everything until it is smooth, and let it rest for ten minutes.
2. Fry a ladle of it at a time in butter until both sides are golden.

**Tomato soup**

**Ingredients:**
- 1 kg ripe tomatoes, 1 onion, 1 clove of garlic, 500 ml stock

**Steps:**
1. Fry the chopped onion and the garlic, add the tomatoes and the stock.
2. Cook it for twenty minutes, blend it and season it.
""",
    "capital": "Canberra.",
    "fix": "```python\nfor i in range(len(items)): print(items[i])\n```",
    "polite": "Could you please send me the report today?",
    "train": "It arrives at 12:30.",
    "sky": "Air scatters blue light much more than red light, so that blue comes to us from all of the sky.",
    "haiku": "Rain taps on the roof\nThe old cat opens one eye\nand goes back to sleep",
}
"""By the id of a question, and where there are several, the layout."""

_MAILS = GOOD["emails"]
_TIPS = GOOD["sleep"]
BAD = [
    ("databases", "SQLite", {"SQLite", "PostgreSQL", "MySQL"}),
    ("databases", "## SQLite\n\n## PostgreSQL\n\n## MySQL\n", {"SQLite", "PostgreSQL", "MySQL"}),
    (
        "databases",
        "Use SQLite, PostgreSQL or MySQL; each of them is good.",
        {"SQLite", "PostgreSQL", "MySQL"},
    ),
    ("databases", GOOD["databases"].partition("**MySQL**")[0], {"MySQL"}),
    ("rome", "Rome", {"day 1", "day 2", "day 3"}),
    ("rome", GOOD["rome, in a list"].partition("3. Day 3")[0], {"day 3"}),
    ("dinners", GOOD["dinners"].replace("Wednesday", "Then"), {"Wednesday"}),
    (
        "emails",
        "Subject: Repair of the heating\nSubject: Thank you, colleague\nSubject: Appointment on Friday\n",
        {"landlord", "colleague", "dentist"},
    ),
    ("emails", "---".join(_MAILS.split("---")[:2]), {"dentist"}),
    ("products", GOOD["products"].partition("4. ")[0] + "4. **Bicycle bell**\n", {"bell"}),
    (
        "functions",
        "is_palindrome, count_vowels and word_frequencies are functions that work on a text.",
        {"is_palindrome", "count_vowels", "word_frequencies"},
    ),
    (
        "functions",
        GOOD["functions"].replace("    return text == text[::-1]\n", "    ...\n"),
        {"is_palindrome"},
    ),
    ("functions", GOOD["functions"].partition("counts.get(")[0], {"word_frequencies"}),
    ("queries", GOOD["queries"].replace("GROUP BY c.city", ""), {"totals by city"}),
    (
        "queries",
        "1. Customers without orders: a left join selects them.\n2. Totals: sum, group by city.",
        {"customers without orders", "totals by city", "largest orders"},
    ),
    ("tables", GOOD["tables"].partition("### Programming")[0], {"languages"}),
    ("characters", GOOD["characters"].replace('"She fed an army. They won."', '""'), {"entry 4"}),
    ("characters", GOOD["characters"].partition('"cook"')[0], {"entry 1", "entry 2", "entry 3", "entry 4"}),
    ("sleep", _TIPS.partition("4. ")[0], {"item 4", "item 5"}),
    (
        "sleep",
        "1. Schedule\n2. No screens\n3. A cool room\n4. Less coffee\n5. Move\n",
        {"item 1", "item 2", "item 3", "item 4", "item 5"},
    ),
    ("home office", GOOD["home office"].partition("Cons:")[0], {"disadvantages"}),
    ("recipes", GOOD["recipes"].partition("**Tomato soup**")[0] + "**Tomato soup**", {"tomato soup"}),
    ("capital", "Sydney.", {"answer"}),
    ("fix", "for i in range(len(items) print(items[i])", {"answer"}),
    ("train", "It arrives at 12:15.", {"answer"}),
]
"""The id of a question, an answer, and the parts that it lacks."""
