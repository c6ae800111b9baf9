/* The full screen of `conclave top`, by ncurses.
 *
 * The page is printed into memory by the functions that print everything else, at the screen's
 * width and with colours; what they print are lines, UTF-8 and the few colour codes of output.c,
 * which are put on the screen as attributes. The failure modes: a terminal that ncurses does not
 * know (said, exit status 2), a cluster that cannot be asked (shown, and asked again).
 */
#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/connection.h"
#include "text.h"
#include "top.h"

#define KEYS_WAIT_MS 50

/* ncurses' color pairs, by the number of the color in a code. */
static void start_colors(void)
{
    if (start_color() != OK || use_default_colors() != OK) {
        return;
    }
    for (short color = COLOR_RED; color <= COLOR_CYAN; color++) {
        (void)init_pair(color, color, -1);
    }
}

/* Carries out a code "\033[...m" at `text`; returns its bytes. */
static size_t take_code(const char *text)
{
    char *end;
    long code = strtol(text + 2, &end, 10);
    if (code == 0) {
        (void)attrset(A_NORMAL);
    } else if (code == 1) {
        (void)attron(A_BOLD);
    } else if (code == 2) {
        (void)attron(A_DIM);
    } else if (code >= 31 && code <= 36 && has_colors()) {
        (void)attron(COLOR_PAIR(code - 30));
    }
    return (size_t)(end - text) + 1;
}

/* One line, as far as it fits; returns where the next one begins. */
static const char *put_line(const char *line, int row, size_t columns)
{
    (void)move(row, 0);
    while (*line != '\0' && *line != '\n') {
        if (line[0] == '\033' && line[1] == '[') {
            line += take_code(line);
            continue;
        }
        size_t size = strcspn(line, "\033\n");
        char *piece = strndup(line, size);
        if (piece == NULL) {
            return line + strcspn(line, "\n");
        }
        size_t fitting = text_fitting(piece, columns);
        piece[fitting] = '\0';
        (void)addstr(piece);
        columns -= text_width(piece);
        free(piece);
        line += size;
    }
    return *line == '\n' ? line + 1 : line;
}

static void draw(const struct output *output, const struct top *top)
{
    char *text = NULL;
    size_t size = 0;
    struct output page = *output;
    page.file = open_memstream(&text, &size);
    if (page.file == NULL) {
        return;
    }
    page.width = (size_t)COLS;
    page.color = output->color;
    top_print(&page, top, clock_wall_ms(&clock_system));
    if (fclose(page.file) == 0) {
        (void)erase();
        (void)attrset(A_NORMAL);
        const char *line = text;
        for (int row = 0; row < LINES - 1 && *line != '\0'; row++) {
            line = put_line(line, row, (size_t)COLS);
        }
        (void)attrset(A_DIM);
        (void)mvaddnstr(LINES - 1, 0, "q ends", COLS - 1);
        (void)attrset(A_NORMAL);
        (void)refresh();
    }
    free(text);
}

/* Waits for a key or the time of the next look. False when it is time to end. */
static bool wait_keys(const struct output *output, const struct top *top, uint64_t until_ms)
{
    do {
        int key = getch();
        if (key == 'q' || key == 'Q' || key == 3 /* Ctrl-C */) {
            return false;
        }
        if (key == KEY_RESIZE) {
            draw(output, top);
        }
    } while (client_now_ms() < until_ms);
    return true;
}

int top_screen(struct cli *cli, struct top *top, uint64_t interval_ms)
{
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (screen == NULL) {
        return cli_error(cli, CONCLAVE_USAGE, "conclave top --once prints the same once",
                         "the terminal (TERM) is not known, or not able to show a screen");
    }
    start_colors();
    (void)raw(); /* Ctrl-C is a key: the screen is always given back */
    (void)noecho();
    (void)curs_set(0);
    (void)keypad(stdscr, TRUE);
    timeout(KEYS_WAIT_MS);
    int status;
    bool more = true;
    do {
        uint64_t until_ms = client_now_ms() + interval_ms;
        status = top_look(cli, top);
        if (status == 0) {
            draw(&cli->output, top);
            more = wait_keys(&cli->output, top, until_ms);
        }
    } while (more && status == 0);
    (void)endwin();
    delscreen(screen);
    return status;
}
