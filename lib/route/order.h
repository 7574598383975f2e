/* order.h -- The order in which sorted names and words stand: by bytes. */
#ifndef DORY_ROUTE_ORDER_H
#define DORY_ROUTE_ORDER_H

#include "base/slice.h"

/* As memcmp(), the shorter first where one begins the other. Thread-safe: pure. */
static inline int
order_slices(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int sign = len == 0 ? 0 : memcmp(a.at, b.at, len);

	return sign != 0 ? sign : (a.len > b.len) - (a.len < b.len);
}

/* The same for qsort() and bsearch() over arrays of slices. */
static inline int
order_by_slice(const void *a, const void *b)
{
	return order_slices(*(const struct slice *)a, *(const struct slice *)b);
}

#endif
