/* The computations of `_kernel.c` for one kind of processor. It is included once for each, with
 *
 *     VARIANT   suffix of the functions' names
 *     LANES     floats in a vector
 *     ROWS      rows that are multiplied together: their 4 * ROWS sums, the 4 vectors of weights
 *               and a value of a row stay in registers
 *     TARGET    attribute that allows the processor's instructions
 *     MAX, MIN  the processor's own, if it has them: of two vectors, `a > b ? a : b` and
 *               `a < b ? a : b`, so that the second one is the result where one is NaN
 *
 * All rows take the same path, in tiles of exactly ROWS that are filled up with rows of zeros: so
 * a row gets the same bits whatever its position and the other rows are.
 */

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(function) JOIN(function, VARIANT)
#define INLINE static inline __attribute__((always_inline)) TARGET
#define vec NAME(vec)
#define STRIP (4 * LANES) /* columns that are computed together: LANES units of all gates */
#define GROUP (TILES * ROWS)

typedef float vec __attribute__((vector_size(4 * LANES)));

INLINE vec NAME(load)(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

/* The first `count` values, then zeros. */
INLINE vec NAME(load_some)(const float *from, size_t count)
{
    vec v = {0};
    memcpy(&v, from, (count < LANES ? count : LANES) * sizeof *from);
    return v;
}

INLINE void NAME(store)(float *to, vec v)
{
    memcpy(to, &v, sizeof v);
}

INLINE vec NAME(max)(vec a, vec b)
{
#ifdef MAX
    return MAX(a, b);
#else
    for (int lane = 0; lane < LANES; lane++)
        a[lane] = a[lane] > b[lane] ? a[lane] : b[lane];
    return a;
#endif
}

INLINE vec NAME(min)(vec a, vec b)
{
#ifdef MIN
    return MIN(a, b);
#else
    for (int lane = 0; lane < LANES; lane++)
        a[lane] = a[lane] < b[lane] ? a[lane] : b[lane];
    return a;
#endif
}

/* sums[row][v] += a[row][k] * w[k][v] over all k, in their order. w is a strip, see `pack`.
 *
 * It is not inlined: GCC would give registers of the sums to constants of the loops around it.
 */
static __attribute__((noinline)) TARGET void NAME(multiply)(
    vec sums[ROWS][4], const float *const a[ROWS], const float *w, size_t n)
{
    vec z[ROWS][4];
    memcpy(z, sums, sizeof z);
    for (size_t k = 0; k < n; k++, w += STRIP) {
        const vec w0 = NAME(load)(w), w1 = NAME(load)(w + LANES);
        const vec w2 = NAME(load)(w + 2 * LANES), w3 = NAME(load)(w + 3 * LANES);
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; row++) {
            const float value = a[row][k];
            z[row][0] += value * w0;
            z[row][1] += value * w1;
            z[row][2] += value * w2;
            z[row][3] += value * w3;
        }
    }
    memcpy(sums, z, sizeof z);
}

/* The matrix w (n, columns) in strips, each of 4 vectors of columns for all k:
 * packed[strip][k][v][lane] = w[k][v * gap + strip * step + lane]. Where a vector would go beyond
 * its own columns, whose number is `own`, or beyond the matrix, it has zeros.
 */
static void NAME(pack)(float *packed, const float *w, size_t n, size_t columns, size_t strips,
                       size_t step, size_t gap, size_t own)
{
    for (size_t strip = 0; strip < strips; strip++)
        for (size_t k = 0; k < n; k++)
            for (size_t v = 0; v < 4; v++)
                for (size_t lane = 0; lane < LANES; lane++) {
                    const size_t at = strip * step + lane, column = v * gap + at;
                    *packed++ = at < own && column < columns ? w[k * columns + column] : 0;
                }
}

/* A strip of rows from `start` to before `end`, from the column `at` on. */
static TARGET void NAME(affine_strip)(const struct affine *p, const float *w, const float *zeros,
                                      size_t at, size_t start, size_t end)
{
    const size_t left = p->columns - at, bytes = (left < STRIP ? left : STRIP) * sizeof(float);
    float bias[STRIP] = {0};
    memcpy(bias, p->b + at, bytes);
    for (; start < end; start += ROWS) {
        const float *a[ROWS];
        vec sums[ROWS][4];
        for (size_t row = 0; row < ROWS; row++) {
            a[row] = start + row < end ? p->x + (start + row) * p->inner : zeros;
            memcpy(sums[row], bias, sizeof bias);
        }
        NAME(multiply)(sums, a, w, p->inner);
        for (size_t row = 0; row < ROWS && start + row < end; row++)
            memcpy(p->out + (start + row) * p->columns + at, sums[row], bytes);
    }
}

/* See `struct affine`. Returns 0 or NO_MEMORY. */
static TARGET int NAME(affine)(const struct affine *p)
{
    const size_t strips = (p->columns + STRIP - 1) / STRIP, packed = strips * STRIP * p->inner;
    const size_t block = 32 * ROWS; /* rows that stay in the second cache for all strips */
    float *w = scratch(packed + p->inner);
    if (!w)
        return NO_MEMORY;
    NAME(pack)(w, p->w, p->inner, p->columns, strips, STRIP, LANES, p->columns);
    for (size_t start = 0; start < p->rows; start += block) {
        const size_t end = p->rows - start < block ? p->rows : start + block;
        for (size_t at = 0; at < p->columns; at += STRIP)
            NAME(affine_strip)(p, w + at * p->inner, w + packed, at, start, end);
    }
    free(w);
    return 0;
}

/* Numerator and denominator of tanh(x); see `_kernel.c`. */
INLINE void NAME(tanh_fraction)(vec x, vec *numerator, vec *denominator)
{
    const vec zero = {0};
    x = NAME(max)(zero - TANH_LIMIT, NAME(min)(zero + TANH_LIMIT, x)); /* NaN stays NaN */
    const vec s = x * x;
    *numerator = ((((TANH_P4 * s + TANH_P3) * s + TANH_P2) * s + TANH_P1) * s + 1) * x;
    *denominator = (((TANH_Q4 * s + TANH_Q3) * s + TANH_Q2) * s + TANH_Q1) * s + 1;
}

/* One step of one row and LANES units: the next h, from the four gates' z and c, which is updated.
 *
 * The fractions are brought to a common denominator: two divisions instead of five.
 */
INLINE vec NAME(gates)(const vec z[4], float *c)
{
    vec pf, qf, pi, qi, po, qo, pg, qg, pc, qc;
    NAME(tanh_fraction)(z[0], &pf, &qf);
    NAME(tanh_fraction)(z[1], &pi, &qi);
    NAME(tanh_fraction)(z[2], &po, &qo);
    NAME(tanh_fraction)(z[3], &pg, &qg);
    /* c = f c + i g, where f = (qf + pf) / 2 qf, i = (qi + pi) / 2 qi and g = pg / qg */
    const vec kept = (qf + pf) * NAME(load)(c), added = (qi + pi) * pg, common = qi * qg;
    const vec next = 0.5f * (kept * common + added * qf) / (qf * common);
    NAME(store)(c, next);
    /* h = o tanh(c) */
    NAME(tanh_fraction)(next, &pc, &qc);
    return 0.5f * ((qo + po) * pc) / (qo * qc);
}

/* Rows that take a step together. Arrays of floats are (GROUP, width). */
struct NAME(group) {
    size_t start, width;
    int64_t steps[GROUP], longest[TILES], last; /* of each row, each tile, all */
    const float *x[GROUP], *next_x[GROUP];      /* gate inputs of this step and of the next one */
    float *h, *next_h, *c, *total, *maximum;    /* total is that of h, or the last h */
    const float *zeros;                         /* (4*units,): the gate inputs of a row that ended */
};

/* Looks up the gate inputs of step t as those of the next step. Returns 0 or BAD_ID. */
static int NAME(look_up)(const struct recurrence *p, struct NAME(group) *group, int64_t t)
{
    for (int row = 0; row < GROUP; row++) {
        group->next_x[row] = group->zeros;
        if (t < group->steps[row]) {
            const int64_t id = p->ids[p->first[group->start + row] + p->stride * t];
            if (id < 0 || (size_t)id >= p->words)
                return BAD_ID;
            group->next_x[row] = p->table + (size_t)id * 4 * p->units;
        }
    }
    return 0;
}

/* Step t of a tile and of LANES units from `at` on; u is their strip. */
INLINE void NAME(step)(const struct recurrence *p, struct NAME(group) *group, int tile, size_t at,
                       const float *u, int64_t t)
{
    const size_t left = p->units - at;
    const float *h[ROWS];
    vec z[ROWS][4];
#pragma GCC unroll 8
    for (int n = 0; n < ROWS; n++) {
        const int row = tile * ROWS + n;
        h[n] = group->h + row * group->width;
        for (int gate = 0; gate < 4; gate++) {
            const size_t column = gate * p->units + at;
            const float *x = group->x[row] + column;
            z[n][gate] = left >= LANES ? NAME(load)(x) : NAME(load_some)(x, left);
            /* The table is read at random, and too large for any cache. */
            __builtin_prefetch(group->next_x[row] + column);
        }
    }
    if (t > 0) /* h is zero before */
        NAME(multiply)(z, h, u, p->units);
#pragma GCC unroll 8
    for (int n = 0; n < ROWS; n++) {
        const int row = tile * ROWS + n;
        const size_t here = row * group->width + at;
        const vec next_h = NAME(gates)(z[n], group->c + here);
        NAME(store)(group->next_h + here, next_h);
        if (t >= group->steps[row])
            continue; /* the row has ended, and nothing reads its h again */
        if (!p->max_mean) {
            NAME(store)(group->total + here, next_h);
            continue;
        }
        NAME(store)(group->total + here, NAME(load)(group->total + here) + next_h);
        const vec maximum = NAME(load)(group->maximum + here);
        NAME(store)(group->maximum + here, NAME(max)(maximum, next_h));
    }
}

/* All steps of a group. Returns 0 or BAD_ID. */
static TARGET int NAME(run)(const struct recurrence *p, struct NAME(group) *group, const float *u)
{
    int status = NAME(look_up)(p, group, 0);
    for (int64_t t = 0; t < group->last && !status; t++) {
        memcpy(group->x, group->next_x, sizeof group->x);
        status = NAME(look_up)(p, group, t + 1);
        /* Strip by strip: each is read into the first cache once for all tiles. */
        for (size_t at = 0; at < p->units; at += LANES)
            for (int tile = 0; tile < TILES; tile++)
                if (t < group->longest[tile])
                    NAME(step)(p, group, tile, at, u + at * 4 * p->units, t);
        float *h = group->h;
        group->h = group->next_h; /* two, as all strips need the h of the step before */
        group->next_h = h;
    }
    return status;
}

/* See `struct recurrence`. Returns 0, NO_MEMORY or BAD_ID. */
static TARGET int NAME(recurrence)(const struct recurrence *p)
{
    const size_t units = p->units, strips = (units + LANES - 1) / LANES, width = strips * LANES;
    const size_t state = GROUP * width, packed = strips * STRIP * units;
    float *memory = scratch(packed + 5 * state + 4 * units);
    if (!memory)
        return NO_MEMORY;
    float *u = memory, *states = u + packed;
    NAME(pack)(u, p->u, units, 4 * units, strips, LANES, units, units);
    struct NAME(group) group = {
        .width = width, .h = states, .next_h = states + state, .c = states + 2 * state,
        .total = states + 3 * state, .maximum = states + 4 * state, .zeros = states + 5 * state,
    };
    int status = 0;
    for (size_t start = 0; start < p->rows && !status; start += GROUP) {
        const size_t rows = p->rows - start < GROUP ? p->rows - start : GROUP;
        group.start = start;
        group.last = 0;
        memset(group.steps, 0, sizeof group.steps);
        memset(group.longest, 0, sizeof group.longest);
        for (size_t row = 0; row < rows; row++) {
            const int64_t steps = group.steps[row] = p->steps[start + row];
            group.longest[row / ROWS] = largest(group.longest[row / ROWS], steps);
            group.last = largest(group.last, steps);
        }
        memset(states, 0, 4 * state * sizeof *states); /* h, next_h, c and total */
        for (size_t n = 0; n < state; n++)
            group.maximum[n] = -INFINITY;
        status = NAME(run)(p, &group, u);
        for (size_t row = 0; row < rows; row++)
            for (size_t unit = 0; unit < units; unit++) {
                float *out = p->out + (start + row) * units + unit;
                const float total = group.total[row * width + unit];
                const int64_t steps = group.steps[row];
                if (p->max_mean) {
                    *out = steps ? group.maximum[row * width + unit] : 0;
                    out[p->rows * units] = steps ? total / (float)steps : 0;
                } else {
                    *out = total;
                }
            }
    }
    free(memory);
    return status;
}

#undef JOIN_
#undef JOIN
#undef NAME
#undef INLINE
#undef vec
#undef STRIP
#undef GROUP
#undef VARIANT
#undef LANES
#undef ROWS
#undef TARGET
#undef MAX
#undef MIN
