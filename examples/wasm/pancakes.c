/* Pancake sorting: action a turns over the first a + 2 of a pile.
 *
 *     clang --target=wasm32 -O2 -fno-builtin -nostdlib -Wl,--no-entry pancakes.c -o pancakes.wasm */

#include "twisterl_env.h"

#define MOST 16

struct pile {
    uint8_t pancakes[MOST];
    int32_t steps_left;
};

static int32_t size = 6;
static int32_t max_steps = 16;

EXPORT(parameter_size) int32_t parameter_size(int64_t value) {
    if (value < 2 || value > MOST) return INVALID;
    size = (int32_t)value;
    return OK;
}

EXPORT(parameter_max_steps) int32_t parameter_max_steps(int64_t value) {
    if (value < 1 || value > 1000000) return INVALID;
    max_steps = (int32_t)value;
    return OK;
}

int32_t twisterl_env(void) { return 1; }
int32_t num_actions(void) { return size - 1; }
int32_t num_features(void) { return size * size; }
int32_t most_active(void) { return size; }
int32_t state_size(void) { return sizeof(struct pile); }
EXPORT(flags) int32_t flags(void) { return ALWAYS_ENDS | TELLS_TRUNCATION | HAS_GOAL; }

EXPORT(inverse_actions) int32_t inverse_actions(int32_t *actions) {
    for (int32_t action = 0; action < size - 1; action++) actions[action] = action;
    return OK;
}

static void sort(struct pile *pile) {
    for (int32_t place = 0; place < size; place++) pile->pancakes[place] = (uint8_t)place;
    pile->steps_left = max_steps;
}

static int32_t is_sorted(const struct pile *pile) {
    for (int32_t place = 0; place < size; place++)
        if (pile->pancakes[place] != place) return 0;
    return 1;
}

static void flip(struct pile *pile, int32_t action) {
    for (int32_t low = 0, high = action + 1; low < high; low++, high--) {
        uint8_t pancake = pile->pancakes[low];
        pile->pancakes[low] = pile->pancakes[high];
        pile->pancakes[high] = pancake;
    }
}

/* SplitMix64: Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014. */
static uint64_t draw(uint64_t *seed) {
    uint64_t mixed = *seed += 0x9e3779b97f4a7c15ull;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    return mixed ^ (mixed >> 31);
}

int32_t set_state(uint8_t *state, const int64_t *numbers, uint32_t count) {
    struct pile *pile = (struct pile *)state;
    uint32_t seen = 0;
    if (count != (uint32_t)size) return INVALID;
    for (uint32_t place = 0; place < count; place++) {
        if (numbers[place] < 0 || numbers[place] >= size) return INVALID;
        seen |= 1u << numbers[place];
    }
    if (seen != (1u << size) - 1) return INVALID;
    for (uint32_t place = 0; place < count; place++)
        pile->pancakes[place] = (uint8_t)numbers[place];
    pile->steps_left = max_steps;
    return OK;
}

EXPORT(last_error) uint32_t last_error(uint8_t *text, uint32_t capacity) {
    static const char message[] = "a pile has each of 0..size once";
    uint32_t length = sizeof(message) - 1;
    for (uint32_t at = 0; at < length && at < capacity; at++) text[at] = (uint8_t)message[at];
    return length;
}

static void make(struct pile *pile, const struct move *move) {
    uint64_t seed = move->seed;
    switch (move->kind) {
    case STEP:
        flip(pile, (int32_t)move->value);
        pile->steps_left--;
        break;
    case RESET:
        sort(pile);
        for (uint64_t turn = 0; turn < move->value; turn++)
            flip(pile, (int32_t)(draw(&seed) % (uint64_t)(size - 1)));
        break;
    case RESET_GOAL:
        sort(pile);
        break;
    }
}

int32_t advance(const struct move *moves, uint32_t count, struct views *views) {
    uint32_t end = 0;
    for (uint32_t row = 0; row < count; row++) {
        struct pile *pile = (struct pile *)moves[row].state;
        struct status *status = &views->status[row];
        make(pile, &moves[row]);
        for (int32_t place = 0; place < size; place++)
            views->indices[end++] = place * size + pile->pancakes[place];
        views->ends[row] = end;
        for (int32_t action = 0; action < size - 1; action++)
            views->masks[row * (uint32_t)(size - 1) + (uint32_t)action] = 1;
        status->success = (uint8_t)is_sorted(pile);
        status->truncated = !status->success && pile->steps_left <= 0;
        status->is_final = status->success || status->truncated;
        status->reward = status->success ? 1.0f : -0.5f / (float)max_steps;
    }
    return OK;
}
