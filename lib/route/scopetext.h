/* scopetext.h -- Scopes and keys as people write and read them: product(42), list(books, *), tag:x.
 */
#ifndef DORY_ROUTE_SCOPETEXT_H
#define DORY_ROUTE_SCOPETEXT_H

#include "key/scope.h"
#include "route/routes.h"

/*
 * Read one scope: `*`, `product(42)`, `list(books, *)`, `list(page=2, category=books)`,
 * `product(*)`, `tag:sale`, `url:/product/42`, `url:http://shop.example/product/42`.
 *
 * `*` stands for all values and may only follow the given ones: list(*, 2) is refused. Fewer values
 * than the key has, without a `*`, are refused too: a scope never widens by a slip. Values must fit
 * the type of their field. A url: scope covers the key that a GET of that URL has, every variant.
 * Values with blanks, commas, parentheses or quotes are written "in quotes" with \" and \\.
 *
 * why:     on error, a sentence about what is wrong and what to write (made in `arena`).
 * Returns: 0; -EINVAL with `*why`; -ENOMEM (`*why` set too, static).
 */
int scope_parse(const struct routes *routes, struct slice text, struct arena *arena,
    struct scope *out, const char **why) NODISCARD;

/*
 * The way back: "product(42)", "list(books, *)", "tag:sale", "*". `routes` may be NULL or not know
 * the prefix any more: then the prefix stands for the name, and a key is written with the values it
 * has. scope_parse() of the result gives the scope again.
 */
void scope_print(const struct routes *routes, struct scope scope, struct buf *out);
void key_print(const struct routes *routes, const struct tuple *key, struct buf *out);

#endif
