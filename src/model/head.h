/* The head of the state: log time and counters. One record, read and written once a batch. */
#ifndef MODEL_HEAD_H
#define MODEL_HEAD_H

#include "model/context.h"

/* All zeros before the first batch. CORRUPT when it was written by rules of another version. */
enum conclave_code head_load(struct kv_transaction *transaction, struct model_head *head) MUST_USE;
enum conclave_code head_save(struct model_context *context) MUST_USE;

#endif
