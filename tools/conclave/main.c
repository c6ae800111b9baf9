/* conclave: the command line of a Conclave cluster. */
#include "cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
