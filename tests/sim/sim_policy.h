/* The policies of the simulator's own model of governance (sim_model.h). */
#ifndef SIM_SIM_POLICY_H
#define SIM_SIM_POLICY_H

#include "sim/sim_model.h"

/* Copies a text of the log into a name, which must have room for it. */
void sim_model_name(char name[SIM_NAME], const msgpack_object *value);

/* The policy with this id, or NULL. */
struct sim_policy *sim_policy_of(struct sim_model *model, struct slice id);

/* policy.put: the code that it must be decided with. */
const char *sim_policy_put(struct sim_model *model, const msgpack_object *body);

#endif
