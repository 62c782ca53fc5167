/* An environment as a WebAssembly core module, version 1: docs/wasm-environments.md.
 *
 * The module imports nothing. What an episode is lies in `state_size()` bytes that the host holds
 * and copies; all other memory of the module is the same for every episode. The host puts what it
 * hands over into memory of its own, behind what the module begins with. */

#ifndef TWISTERL_ENV_H
#define TWISTERL_ENV_H

typedef unsigned char uint8_t;
typedef int int32_t;
typedef unsigned uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;

#define EXPORT(name) __attribute__((export_name(#name)))

/* What a call comes to; all others are failures too. */
enum { OK = 0, INVALID = 1, FAILED = 2 };

/* Of flags(). */
enum { ALWAYS_ENDS = 1, TELLS_TRUNCATION = 2, HAS_GOAL = 4, HAS_UNIFORM = 8 };

/* What a move does: begins an episode of difficulty `value` by the random numbers of `seed`, plays
 * the action `value`, does nothing, begins in a state drawn from all of them, or in a solved one. */
enum { RESET = 0, STEP = 1, OBSERVE = 2, RESET_UNIFORM = 3, RESET_GOAL = 4 };

struct move {
    uint8_t *state; /* [state_size()], 8 bytes aligned */
    uint32_t kind;
    uint64_t value;
    uint64_t seed;
};

struct status {
    float reward;
    uint8_t is_final, success, truncated, reserved; /* 0 or 1 */
};

/* Where a batch writes what it sees. */
struct views {
    int32_t *indices; /* active features of all rows, one after another */
    uint32_t capacity;
    uint32_t *ends; /* [count], where each row ends in indices */
    uint8_t *masks; /* [count, num_actions()], 0 or 1 */
    struct status *status; /* [count] */
};

/* What every module exports, beside its memory. */
EXPORT(twisterl_env) int32_t twisterl_env(void); /* 1 */
EXPORT(num_actions) int32_t num_actions(void);
EXPORT(num_features) int32_t num_features(void);
EXPORT(most_active) int32_t most_active(void); /* features of one observation, at most */
EXPORT(state_size) int32_t state_size(void);
EXPORT(set_state) int32_t set_state(uint8_t *state, const int64_t *numbers, uint32_t count);
EXPORT(advance) int32_t advance(const struct move *moves, uint32_t count, struct views *views);

/* What it may export too: flags(); inverse_actions(int32_t *actions), [num_actions()];
 * last_error(uint8_t *text, uint32_t capacity), which gives a length; and, for each parameter of
 * its section `env`, parameter_NAME(int64_t value), called before all others. */

#endif
