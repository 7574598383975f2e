#!/usr/bin/python3
"""shop.py -- A small shop on Flask and SQLite: the application that the quickstart makes faster.

    shop.py PORT DATABASE

It serves http://127.0.0.1:PORT/ and makes the database where there is none. It knows nothing of
caches: it sets no caching headers and tells nobody when a product changes.
"""

import contextlib
import datetime
import decimal
import os
import sqlite3
import sys
import time

import flask
import werkzeug.serving

PAGE_SIZE = 10

# What makes real pages slow: queries over large tables, templates, calls to other services.
WORK_S = 0.1

CATEGORIES = {
    "books": ("Books", [
        "Atlas of Small Islands", "Bread, Slowly", "The Quiet Harbour", "Knots and Splices",
        "A Field Guide to Clouds", "Letters from the Lighthouse", "Pufferfish of the World",
        "The Long Tide", "Cooking with Salt", "Maps of Lost Roads", "The Beekeeper's Year",
        "Wind and Weather", "Notes on Paper", "The Garden Wall", "Stars for Beginners",
        "A History of Buttons", "Rivers of the North", "The Winter Train", "Ink and Feather",
        "Songs for Two Voices"]),
    "garden": ("Garden", [
        "Watering Can", "Hand Trowel", "Pruning Shears", "Terracotta Pot", "Seed Tray",
        "Garden Twine", "Bamboo Canes", "Compost Bin", "Bird Feeder", "Rain Gauge",
        "Leather Gloves", "Hose, 20 m", "Lawn Rake", "Plant Labels", "Cold Frame",
        "Wheelbarrow", "Bulb Planter", "Kneeling Mat", "Garden Fork", "Sun Dial"]),
    "kitchen": ("Kitchen", [
        "Cast Iron Pan", "Bread Knife", "Mixing Bowl", "Wooden Spoon", "Pepper Mill",
        "Salt Cellar", "Measuring Jug", "Rolling Pin", "Linen Towel", "Tea Kettle",
        "Coffee Grinder", "Chopping Board", "Cake Tin", "Kitchen Scale", "Egg Timer",
        "Soup Ladle", "Pie Dish", "Garlic Press", "Storage Jar", "Whisk"]),
}

LAYOUT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} - Pufferfish Shop</title>
<style>
body { font: 17px/1.5 system-ui, sans-serif; color: #223; background: #f4f7f9; margin: 0 }
header, main, footer { max-width: 42rem; margin: 0 auto; padding: 1rem }
header { display: flex; gap: 1.2rem; align-items: baseline }
header b { margin-right: auto }
main { background: #fff; border-radius: 8px; box-shadow: 0 1px 4px #0002; padding: 1.5rem }
h1 { margin: 0 0 1rem; font-size: 1.6rem }
a { color: #06678c }
table { width: 100%; border-collapse: collapse }
td { padding: .45rem 0; border-top: 1px solid #e3e9ee }
td:last-child, .price { text-align: right; font-variant-numeric: tabular-nums }
.price { font-size: 1.4rem; text-align: left }
form { border-top: 1px solid #e3e9ee; margin-top: 1.5rem; padding-top: 1rem }
label { display: block; margin-bottom: .8rem }
input { font: inherit; padding: .35rem .5rem; width: 100%; box-sizing: border-box }
button { font: inherit; padding: .4rem 1.2rem }
footer { color: #667; font-size: .85rem }
</style>
<header>
<b><a href="/">Pufferfish Shop</a></b>
{% for slug, name in categories %}<a href="/list/{{ slug }}">{{ name }}</a>
{% endfor %}</header>
<main>
<h1>{{ title }}</h1>
{% block content %}{% endblock %}
</main>
<footer>The shop made this page at {{ made }} in {{ "%.0f" % took_ms }} ms.</footer>
</html>
"""

HOME = """{% extends layout %}{% block content %}
<table>
{% for row in rows %}<tr><td><a href="/list/{{ row.category }}">{{ names[row.category] }}</a></td>
<td>{{ row.products }} products from {{ row.cents | euros }}</td></tr>
{% endfor %}</table>
{% endblock %}"""

LIST = """{% extends layout %}{% block content %}
<table>
{% for row in rows %}<tr><td><a href="/product/{{ row.id }}">{{ row.name }}</a></td>
<td>{{ row.cents | euros }}</td></tr>
{% endfor %}</table>
<p>Page{% for n in pages %}
{% if n == page %}<b>{{ n }}</b>{% else %}<a href="?page={{ n }}">{{ n }}</a>{% endif %}
{% endfor %}</p>
{% endblock %}"""

PRODUCT = """{% extends layout %}{% block content %}
<p class="price">{{ row.cents | euros }}</p>
<p>In <a href="/list/{{ row.category }}">{{ names[row.category] }}</a>, number {{ row.id }}.</p>
<form method="post">
<label>Name <input name="name" value="{{ row.name }}" maxlength="80" required></label>
<label>Price <input name="price" value="{{ row.cents | plain }}" inputmode="decimal" required></label>
<button>Save</button>
</form>
{% endblock %}"""

app = flask.Flask(__name__)
app.jinja_env.filters["euros"] = lambda cents: f"\u20ac {cents / 100:.2f}"
app.jinja_env.filters["plain"] = lambda cents: f"{cents / 100:.2f}"


def make_database(path):
    """All or nothing: a start that was interrupted leaves no half database behind."""
    rows = [(category, name, 495 + (i * 737) % 4000)
            for category, (_, names) in CATEGORIES.items() for i, name in enumerate(names)]
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("BEGIN IMMEDIATE")
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'product'").fetchone():
            return
        db.execute("CREATE TABLE product (id INTEGER PRIMARY KEY, category TEXT NOT NULL,"
                   " name TEXT NOT NULL, cents INTEGER NOT NULL)")
        db.executemany("INSERT INTO product (category, name, cents) VALUES (?, ?, ?)", rows)


@contextlib.contextmanager
def database():
    """One connection and transaction a request; all the slowness of the shop is here."""
    time.sleep(WORK_S)
    with contextlib.closing(sqlite3.connect(app.config["DATABASE"])) as db, db:
        db.row_factory = sqlite3.Row
        yield db


def find_product(db, product_id):
    row = db.execute("SELECT * FROM product WHERE id = ?", (product_id,)).fetchone()
    if row is None:
        flask.abort(404)
    return row


def page(template, title, **values):
    names = {slug: name for slug, (name, _) in CATEGORIES.items()}
    return flask.render_template_string(
        template, layout=app.jinja_env.from_string(LAYOUT), title=title, names=names,
        categories=names.items(), made=datetime.datetime.now().strftime("%H:%M:%S.%f")[:-3],
        took_ms=(time.monotonic() - flask.g.began_s) * 1000, **values)


def read_price(text):
    """Cents, or None for what is not a price."""
    try:
        cents = decimal.Decimal(text.strip().replace(",", ".")) * 100
    except ArithmeticError:
        return None
    if not cents.is_finite() or not 0 <= cents < 10_000_000 or cents != int(cents):
        return None
    return int(cents)


@app.before_request
def begin():
    flask.g.began_s = time.monotonic()


@app.get("/")
def show_home():
    with database() as db:
        rows = db.execute("SELECT category, count(*) AS products, min(cents) AS cents"
                          " FROM product GROUP BY category ORDER BY category").fetchall()
    return page(HOME, "Welcome", rows=rows)


@app.get("/list/<category>")
def show_list(category):
    number = flask.request.args.get("page", 1, type=int)
    if category not in CATEGORIES:
        flask.abort(404)
    with database() as db:
        count = db.execute("SELECT count(*) FROM product WHERE category = ?",
                           (category,)).fetchone()[0]
        pages = range(1, max(1, -(-count // PAGE_SIZE)) + 1)
        if number not in pages:
            flask.abort(404)
        rows = db.execute("SELECT * FROM product WHERE category = ? ORDER BY id LIMIT ? OFFSET ?",
                          (category, PAGE_SIZE, (number - 1) * PAGE_SIZE)).fetchall()
    return page(LIST, CATEGORIES[category][0], rows=rows, pages=pages, page=number)


@app.get("/product/<int:product_id>")
def show_product(product_id):
    with database() as db:
        row = find_product(db, product_id)
    return page(PRODUCT, row["name"], row=row)


@app.post("/product/<int:product_id>")
def save_product(product_id):
    name = flask.request.form.get("name", "").strip()
    cents = read_price(flask.request.form.get("price", ""))
    if not 0 < len(name) <= 80 or cents is None:
        return "A product needs a name of at most 80 characters and a price such as 12.50.\n", 400
    with database() as db:
        find_product(db, product_id)
        db.execute("UPDATE product SET name = ?, cents = ? WHERE id = ?", (name, cents, product_id))
    return flask.redirect(flask.url_for("show_product", product_id=product_id), 303)


def main():
    if len(sys.argv) != 3 or not sys.argv[1].isdigit():
        sys.exit("usage: shop.py PORT DATABASE")
    app.config["DATABASE"] = os.path.abspath(sys.argv[2])
    make_database(app.config["DATABASE"])
    werkzeug.serving.make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
