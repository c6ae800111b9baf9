/* Polls of one question as text: see the header. */
#include "unit/support/tally_notation.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct word {
    struct tally_voter voter;
    struct tally_answer answer;
    bool expert;
    bool has_ballot;
};

static const char *read_answer(const char *at, struct word *word)
{
    word->has_ballot = *at != '-';
    if (isdigit((unsigned char)*at)) {
        char *end;
        word->answer.choice = TALLY_SCORED;
        word->answer.score = (uint32_t)strtoul(at, &end, 10);
        return end;
    }
    switch (*at) {
    case 'y':
        word->answer.choice = TALLY_YES;
        break;
    case 'n':
        word->answer.choice = TALLY_NO;
        break;
    case 'a':
        word->answer.choice = TALLY_ABSTAIN;
        break;
    case '_':
    case '-':
        word->answer.choice = TALLY_NONE;
        break;
    default:
        UNREACHABLE("answer in a test's notation");
    }
    return at + 1;
}

static const char *read_word(const char *at, struct word *word)
{
    *word = (struct word){.voter = {.weight = 1, .in_electorate = true}};
    at = read_answer(at, word);
    while (*at != '\0' && *at != ' ') {
        char *end;
        switch (*at) {
        case '*':
            word->voter.weight = strtoull(at + 1, &end, 10);
            at = end - 1;
            break;
        case 'c':
            word->voter.in_veto_class = true;
            break;
        case '!':
            word->answer.veto = true;
            break;
        case 'E':
            word->expert = true;
            break;
        case 'o':
            word->voter.in_electorate = false;
            break;
        case '+':
            word->answer.review = TALLY_APPROVE;
            break;
        case 'x':
            word->answer.review = TALLY_OBJECT;
            break;
        default:
            UNREACHABLE("mark in a test's notation");
        }
        at++;
    }
    ASSERT(word->has_ballot || word->answer.review == TALLY_REVIEW_NONE);
    ASSERT(word->expert || word->answer.review == TALLY_REVIEW_NONE);
    return at;
}

void notation_read(const char *text, const struct tally_rule *rule, struct notation *notation)
{
    *notation = (struct notation){0};
    const char *at = text;
    while (*at != '\0') {
        if (*at == ' ') {
            at++;
            continue;
        }
        struct word word;
        at = read_word(at, &word);
        bool veto_class = word.voter.in_electorate && word.voter.in_veto_class;
        if (word.voter.in_electorate) {
            notation->roll.heads++;
            notation->roll.weight += word.voter.weight;
        }
        notation->roll.veto_heads += veto_class;
        notation->roll.expert_heads += word.expert;
        if (word.has_ballot) {
            tally_add(&notation->tally, rule, &word.voter, &word.answer);
            continue;
        }
        if (word.voter.in_electorate) {
            notation->outstanding.heads++;
            notation->outstanding.weight += word.voter.weight;
        }
        notation->outstanding.veto_heads += veto_class;
        notation->outstanding.expert_heads += word.expert;
    }
}
