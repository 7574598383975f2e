/* attributes.h -- What the compiler should know about a function or a number. */
#ifndef DORY_BASE_ATTRIBUTES_H
#define DORY_BASE_ATTRIBUTES_H

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
