/* date.c -- HTTP dates (RFC 9110 section 5.6.7). */
#include "http/date.h"

#include <errno.h>
#include <strings.h>

static const int64_t date_day_s = 86400;
static const int64_t date_first_s = -62167219200; /* 0000-01-01 00:00:00 */
static const int64_t date_last_s = 253402300799;  /* 9999-12-31 23:59:59 */

static const char *const date_weekdays[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
	"Friday", "Saturday" };
static const char *const date_months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
	"Sep", "Oct", "Nov", "Dec" };

struct date {
	int year, month, day, hour, minute, second; /* Month and day count from 1. */
};

/* Days from 1970-01-01 in the Gregorian calendar, years beginning in March so that the leap day is
 * their last. */
static int64_t
date_to_days(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* The reverse. `days` is of the years 0 to 9999. */
static struct date
date_of_days(int64_t days)
{
	int64_t since = days + 719468; /* From 0000-03-01. */
	int64_t era = (since >= 0 ? since : since - 146096) / 146097, of_era = since - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
	int month = (int)(m < 10 ? m + 3 : m - 9);
	return (struct date){ .year = (int)(y + era * 400) + (month <= 2),
		.month = month,
		.day = (int)(of_year - (153 * m + 2) / 5) + 1 };
}

static int64_t
date_clamp(int64_t time_s)
{
	if (time_s < date_first_s)
		return date_first_s;
	return time_s > date_last_s ? date_last_s : time_s;
}

static int64_t
date_whole_days(int64_t time_s)
{
	return (time_s - date_first_s) / date_day_s + date_first_s / date_day_s;
}

static bool
date_take(struct slice *rest, struct slice word)
{
	if (rest->len < word.len)
		return false;
	/* Most of a dozen names are told apart by their first letter, without a call. */
	if ((rest->at[0] | ' ') != (word.at[0] | ' ') ||
	    strncasecmp(rest->at, word.at, word.len) != 0)
		return false;
	*rest = (struct slice){ rest->at + word.len, rest->len - word.len };
	return true;
}

static bool
date_take_digits(struct slice *rest, unsigned n, int *out)
{
	int value = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i == rest->len || rest->at[i] < '0' || rest->at[i] > '9')
			return false;
		value = value * 10 + (rest->at[i] - '0');
	}
	*rest = (struct slice){ rest->at + n, rest->len - n };
	*out = value;
	return true;
}

/* One of `n` names, or of their first `len` letters. `*out` counts from 1. */
static bool
date_take_name(struct slice *rest, const char *const *names, unsigned n, size_t len, int *out)
{
	for (unsigned i = 0; i < n; i++) {
		struct slice name = slice_of(names[i]);
		if (len > 0)
			name.len = len;
		if (date_take(rest, name)) {
			*out = (int)i + 1;
			return true;
		}
	}
	return false;
}

/* RFC 9110 section 5.6.7: the century that is not more than 50 years ahead. */
static int
date_full_year(int two_digits, int64_t now_s)
{
	int limit = date_of_days(date_whole_days(date_clamp(now_s))).year + 50;
	return limit - (limit - two_digits) % 100;
}

/* Take what one letter stands for: those of strptime(), without its locale and its leniency. */
static bool
date_take_part(struct slice *rest, char part, int64_t now_s, struct date *d)
{
	int weekday;

	switch (part) {
	case 'a':
		return date_take_name(rest, date_weekdays, COUNT(date_weekdays), 3, &weekday);
	case 'A':
		return date_take_name(rest, date_weekdays, COUNT(date_weekdays), 0, &weekday);
	case 'b':
		return date_take_name(rest, date_months, COUNT(date_months), 0, &d->month);
	case 'd':
		return date_take_digits(rest, 2, &d->day);
	case 'e':
		return date_take(rest, SLICE(" ")) ? date_take_digits(rest, 1, &d->day)
						   : date_take_digits(rest, 2, &d->day);
	case 'Y':
		return date_take_digits(rest, 4, &d->year);
	case 'y':
		if (!date_take_digits(rest, 2, &d->year))
			return false;
		d->year = date_full_year(d->year, now_s);
		return true;
	case 'H':
		return date_take_digits(rest, 2, &d->hour);
	case 'M':
		return date_take_digits(rest, 2, &d->minute);
	case 'S':
		return date_take_digits(rest, 2, &d->second);
	}
	return false;
}

static bool
date_take_form(struct slice rest, const char *form, int64_t now_s, struct date *d)
{
	for (; *form != '\0'; form++) {
		bool ok;
		if (*form == '%')
			ok = date_take_part(&rest, *++form, now_s, d);
		else
			ok = date_take(&rest, (struct slice){ form, 1 });
		if (!ok)
			return false;
	}
	return rest.len == 0;
}

static bool
date_exists(const struct date *d)
{
	static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);
	int last = days[d->month - 1] + (leap && d->month == 2);

	/* 60 is a leap second. */
	return d->day >= 1 && d->day <= last && d->hour < 24 && d->minute < 60 && d->second <= 60;
}

int
http_date_parse(struct slice text, int64_t now_s, int64_t *out_s)
{
	/* Case does not count for a cache (RFC 9111 section 4.2); everything else does. */
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT",
		"%a %b %e %H:%M:%S %Y",
	};

	for (size_t i = 0; i < COUNT(forms); i++) {
		struct date d = { .month = 1 };
		if (!date_take_form(text, forms[i], now_s, &d))
			continue;
		if (!date_exists(&d))
			return -EINVAL;
		*out_s = date_to_days(d.year, d.month, d.day) * date_day_s + d.hour * 3600 +
			 d.minute * 60 + d.second;
		return 0;
	}
	return -EINVAL;
}

static char *
date_put_digits(char *at, int value, int n)
{
	for (int i = n - 1; i >= 0; i--) {
		at[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return at + n;
}

static char *
date_put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

void
http_date_format(int64_t time_s, char out[HTTP_DATE_SIZE])
{
	int64_t t = date_clamp(time_s), days = date_whole_days(t);
	int second = (int)(t - days * date_day_s);
	struct date d = date_of_days(days);
	int64_t weekday = (days - date_first_s / date_day_s + 6) % 7; /* 0000-01-01: a Saturday. */
	char *at = out;

	at = date_put(at, date_weekdays[weekday], 3);
	at = date_put_digits(date_put(at, ", ", 2), d.day, 2);
	at = date_put(date_put(at, " ", 1), date_months[d.month - 1], 3);
	at = date_put_digits(date_put(at, " ", 1), d.year, 4);
	at = date_put_digits(date_put(at, " ", 1), second / 3600, 2);
	at = date_put_digits(date_put(at, ":", 1), second / 60 % 60, 2);
	at = date_put_digits(date_put(at, ":", 1), second % 60, 2);
	date_put(at, " GMT", 5);
}
