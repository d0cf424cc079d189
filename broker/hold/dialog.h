/* dialog.h - does an agent ask something that a message, or its submit key, would answer?
 *
 * Two kinds of words, both only where a line begins, behind frames and marks: what a message or a file says elsewhere in a line is no question to anybody here.
 * `questions` are words that agents use when they talk, too, so below them a choice has to stand that is marked as the chosen one: "❯ 1. Yes". `dialogs` are
 * words that stand for a dialog by themselves. Either has to be near the bottom: what was answered stays on the screen, further up.
 * Thread: the holder's one. */
#pragma once

#include "broker/hold/screen.h"

/* Both arrays of texts, or NULL. */
bool dialog_is_open(screen_t *screen, const cccc_value_t *questions, const cccc_value_t *dialogs);
