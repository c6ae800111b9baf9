/* conclave: the command line of a Conclave cluster. */
#include <stdio.h>

#include "auth/process.h"
#include "cli.h"

int main(int argc, char **argv)
{
    if (auth_process_protect() != CONCLAVE_OK) {
        (void)fputs("conclave: the process could not be kept from dumping its memory\n", stderr);
        return 1;
    }
    return cli_main(argc, argv);
}
