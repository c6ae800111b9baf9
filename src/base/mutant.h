/* Seeded bugs, so that the simulator can be tested: MUTANT(n) is true only in the copies of single
 * files that cmake/Mutants.cmake compiles with CONCLAVE_MUTANT=n for programs that are never
 * installed. Everywhere else it is the constant 0, and the compiler removes what hangs on it.
 */
#ifndef BASE_MUTANT_H
#define BASE_MUTANT_H

#ifdef CONCLAVE_MUTANT
#define MUTANT(number) (CONCLAVE_MUTANT == (number))
#else
#define MUTANT(number) 0
#endif

#endif
