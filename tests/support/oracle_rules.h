/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The federated rules, naively: whole models in memory, double precision, formulas straight from
 * the papers. Shares no code with src/. Only whether a sign or a distance is smaller is decided in
 * single precision, as stored values are: the rest would be a different rule at ties.
 */
#ifndef OF_TESTS_ORACLE_RULES_H
#define OF_TESTS_ORACLE_RULES_H

#include "support/oracle.h"

enum { ORACLE_INPUTS_MAX = 64 };

enum oracle_federated {
    ORACLE_FEDNOVA,
    ORACLE_FEDGMA,
    ORACLE_MEDIAN,
    ORACLE_TRIMMED_MEAN,
    ORACLE_CCLIP,
    ORACLE_GEOMETRIC_MEDIAN,
    ORACLE_KRUM,
    ORACLE_MULTI_KRUM,
    ORACLE_BULYAN,
    ORACLE_ARC,
    ORACLE_FEDEXP,
    ORACLE_FEDDYN,
    ORACLE_METAGPT,
    ORACLE_INVERSE_NORM
};

enum oracle_middle { ORACLE_LOWER, ORACLE_MID, ORACLE_UPPER };

struct oracle_federation {
    enum oracle_federated rule;
    const struct oracle_model *base;
    const struct oracle_model *const *inputs;
    size_t input_count;
    double beta;          /* factor of the mean form; rules that set it themselves ignore it */
    const double *shares; /* before normalisation; NULL = equal */
    const double *steps;  /* fednova */
    double momentum;      /* fednova: of the local solver; 0 = none */
    double rho;           /* fedgma */
    bool nonzero;         /* fedgma: zeros do not vote */
    enum oracle_middle middle;
    size_t trim;
    double radius; /* cclip */
    size_t iterations;
    bool from_mean; /* cclip */
    bool from_median;
    double eps; /* geometric_median */
    size_t f;
    size_t m;
};

/* What follows from whole models. */
struct oracle_facts {
    /* Behind the inputs stands the median of each coordinate. */
    double gram[ORACLE_INPUTS_MAX + 1][ORACLE_INPUTS_MAX + 1];
    double weights[ORACLE_INPUTS_MAX + 1]; /* of the mean form; element-wise rules: unused */
    bool chosen[ORACLE_INPUTS_MAX];        /* bulyan */
    double radius;                         /* cclip, arc */
    double beta;
};
void oracle_federate(const struct oracle_federation *federation, struct oracle_facts *ret_facts);

/* As oracle_agrees: every tensor of the output within the rounding of f32 steps and of its type. */
bool oracle_federation_agrees(const struct oracle_federation *federation,
                              const struct oracle_facts *facts, const struct oracle_model *output,
                              char *message, size_t message_size);

#endif
