/* Against floods: nobody gets more of a node than his share, and nobody keeps what he does not use.
 *
 * Rates. A request costs its connection a token; an answer one for each 16 KiB and
 * one for each 50 us that the node worked on it; a signature that
 * does not verify, an author whom nobody knows and a command past its author's own limit cost many.
 * While the node is pressed (a turn was over before its work was, in the last second) who has no
 * token left must wait; while it is not, only who owes some for what costs many.
 * A command whose signature verifies is its author's affair: the connection gets its token back,
 * and the author, unless a chair, pays with one of theirs. So one connection may carry the ballots
 * of thousands, and who has no key can make a node check few signatures. Who has no token left is
 * told `rate_limited` once, with `retry_after_ms`, and read again when that time has passed: TCP
 * holds him up meanwhile, at no cost.
 *
 * Turns. In a turn of the loop a connection has FLOOD_SHARE messages looked at, and all of them
 * together `turn_us` of time; the rest waits its turn, in order. So between two turns the node
 * hears its peers and everybody else, whatever clients send. Who leaves answers lying is not asked
 * for more.
 *
 * Patience. A connection that asks nothing, does not end a message, or asks nothing any more is
 * closed. Watchers and those who wait for an answer may be silent. Where all connections are taken,
 * the one that was idle longest makes room, and of those that never asked anything only
 * LIMIT_SILENT stay: the oldest makes room.
 */
#ifndef API_FLOOD_H
#define API_FLOOD_H

#include "api/state.h"

#define FLOOD_SHARE                 64u /* messages of a connection in a turn */
#define FLOOD_ANSWER_BYTES          16384u
#define FLOOD_ANSWER_US             50u
#define FLOOD_COST_BAD_SIGNATURE    20u
#define FLOOD_COST_UNKNOWN_AUTHOR   10u
#define FLOOD_COST_MEMBER_OVER_RATE 10u

struct flood_members;

/* NO_MEMORY. */
enum conclave_code flood_open(struct api *api, const struct api_limits *limits) MUST_USE;
void flood_close(struct api *api);

/* --- rates --- */

/* Takes a token for the request. When there is none it is answered, its connection held, and false
 * comes back. */
bool flood_admit(struct api_request *request) MUST_USE;

/* The request was at fault: it cost this many tokens more, if need be on credit. */
void flood_charge(struct api_request *request, uint32_t tokens);

/* Its answer is long, or took long: it was begun at `since_us`. */
void flood_charge_answer(struct api_request *request, size_t answer_bytes, uint64_t since_us);

/* The signature of a command verified: its connection gets the token back, and its author pays.
 * False when the author has none left: the request is answered. */
bool flood_admit_member(struct api_request *request) MUST_USE;

/* --- turns --- */

/* Have clients had their time? The first call of a turn begins it. */
bool flood_turn_is_over(struct api *api) MUST_USE;
void flood_end_turn(struct api *api);

/* The work that came is done, or it is not: then the node is pressed. */
void flood_end_work(struct api *api);

/* Does the client leave answers lying? Then its connection is held for a moment, and will be again:
 * who does not read is not answered more. */
bool flood_hold_unread(struct api *api, struct api_connection *connection);

/* The rest of the connection's input waits. */
void flood_hold_for_turn(struct api *api, struct api_connection *connection);

/* The next connection whose turn it is, no longer held; NULL: none. */
struct api_connection *flood_next(struct api *api);

/* Those whose time has come wait for their turn from now on. */
void flood_release(struct api *api);

/* The connection is going: nobody holds it any more. */
void flood_forget(struct api *api, struct api_connection *connection);

/* --- patience --- */

/* A connection opened, or closed (or began to). BUSY when there is no room. */
enum conclave_code flood_enter(struct api *api, struct api_connection *connection) MUST_USE;
void flood_leave(struct api *api, struct api_connection *connection);

/* A whole message came. */
void flood_heard(struct api *api, struct api_connection *connection);

/* Counts the memory of the input; false when all inputs together have too much. */
bool flood_count_input(struct api *api, struct api_connection *connection) MUST_USE;

/* Once a second: closes those that nobody waits for any longer. */
void flood_sweep(struct api *api);

#endif
