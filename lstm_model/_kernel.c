/* The packed scorer's LSTM, compiled.
 *
 * One step of a row is, with the gates in the order of `architecture.GATES` and the scales of
 * `gate_inputs.stack_gates` (see there, and `cell.py` for the formulas and their sources):
 *
 *     z = x + h u                                       (4*units,): zf, zi, zo, zg
 *     f = (1 + tanh(zf)) / 2, i and o likewise, g = tanh(zg)
 *     c = f c + i g
 *     h = o tanh(c)
 *
 * x is a row of the table of gate inputs, and h u is where the time goes. `_kernel_steps.h` has the
 * loops: a few rows and a few units of all four gates at once, so that every z stays in registers
 * from the product to the next h.
 *
 * tanh is a fraction of polynomials in s = x*x, of x between -9 and 9:
 *
 *     tanh(x) = x (1 + P1 s + P2 s^2 + P3 s^3 + P4 s^4) / (1 + Q1 s + Q2 s^2 + Q3 s^3 + Q4 s^4)
 *
 * The coefficients minimise the largest absolute error (Lawson's iteratively weighted least
 * squares), which is 2e-8 before rounding and below 4e-7 as computed here; beyond 9, tanh is 1 but
 * for 3e-8. So the largest error of a sigmoid is below 2e-7.
 *
 * The code needs vectors of GCC or Clang. It is compiled for three kinds of processor, and the
 * fastest that this one has is chosen at run time. Between these, results differ by rounding.
 *
 * The callers hold the buffers while the GIL is released. Shapes, types and positions are checked
 * before, ids as they are read.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000 /* one build serves Python 3.11 and later */
#include <Python.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__GNUC__)
#error "the kernel needs GCC or Clang; without it, NumPy scores"
#endif

#define TANH_LIMIT 9.0f
#define TANH_P1 0.13380314409732819f
#define TANH_P2 0.0034947548992931843f
#define TANH_P3 2.0596024114638567e-05f
#define TANH_P4 1.3337968063353856e-08f
#define TANH_Q1 0.46713632345199585f
#define TANH_Q2 0.025873778387904167f
#define TANH_Q3 0.0003284298873040825f
#define TANH_Q4 7.769422722958552e-07f

#define TILES 4 /* of rows, that take a step together; more or fewer were not faster */
#define NO_MEMORY (-1)
#define BAD_ID (-2)

/* out (rows, columns) = x (rows, inner) w (inner, columns) + b (columns,) */
struct affine {
    const float *x, *w, *b;
    float *out;
    size_t rows, inner, columns;
};

/* All steps of all rows.
 *
 * table (words, 4*units) has the gate inputs of each id, u is (units, 4*units). A row reads `ids`
 * from its position in `first` on, by `stride` (1 or -1), as many times as `steps` says. out is
 * (1, rows, units), the last outputs, or with `max_mean` (2, rows, units), their maxima and means;
 * 0 for a row without steps. Rows may come in any order, but rows of equal length side by side are
 * fastest.
 */
struct recurrence {
    const float *table, *u;
    const int64_t *ids, *first, *steps;
    float *out;
    size_t words, rows, units;
    int64_t stride;
    int max_mean;
};

/* Memory for floats, aligned to a line of the cache, filled with zeros. */
static float *scratch(size_t count)
{
    const size_t bytes = (count * sizeof(float) / 64 + 1) * 64;
    float *memory = aligned_alloc(64, bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

static int64_t largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#if defined(__x86_64__)

#define VARIANT avx512
#define LANES 16
#define ROWS 6
#define TARGET __attribute__((target("avx512f,fma")))
#define MAX(a, b) _mm512_max_ps(a, b)
#define MIN(a, b) _mm512_min_ps(a, b)
#include "_kernel_steps.h"

#define VARIANT avx2
#define LANES 8
#define ROWS 3
#define TARGET __attribute__((target("avx2,fma")))
#define MAX(a, b) _mm256_max_ps(a, b)
#define MIN(a, b) _mm256_min_ps(a, b)
#include "_kernel_steps.h"
#endif

#define VARIANT portable
#define LANES 4
#define ROWS 2
#define TARGET
#include "_kernel_steps.h"

struct variant {
    const char *name;
    int (*affine)(const struct affine *);
    int (*recurrence)(const struct recurrence *);
};

#if defined(__x86_64__)
static const struct variant AVX512 = {"avx512", affine_avx512, recurrence_avx512};
static const struct variant AVX2 = {"avx2", affine_avx2, recurrence_avx2};
#endif
static const struct variant PORTABLE = {"portable", affine_portable, recurrence_portable};

/* Those that this processor runs, the fastest first. */
static const struct variant *variants[3];
static int variant_count;

static void find_variants(void)
{
    variant_count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        variants[variant_count++] = &AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        variants[variant_count++] = &AVX2;
#endif
    variants[variant_count++] = &PORTABLE;
}

static const struct variant *variant_named(const char *name)
{
    for (int n = 0; n < variant_count; n++)
        if (!strcmp(variants[n]->name, name))
            return variants[n];
    PyErr_Format(PyExc_ValueError, "this processor does not run the kernel '%s'", name);
    return NULL;
}

/* A C-contiguous array of an argument; `shape` has -1 for a size that it may choose, which is then
 * set. Returns 0, or -1 with an exception.
 */
static int array(PyObject *object, Py_buffer *view, const char *name, char type, int ndim,
                 Py_ssize_t *shape, int writable)
{
    const int flags = PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object, view, flags))
        return -1;
    const char given = view->format && !view->format[1] ? view->format[0] : 0;
    const int typed = type == 'f' ? given == 'f' && view->itemsize == 4
                                  : (given == 'l' || given == 'q') && view->itemsize == 8;
    int fits = typed && view->ndim == ndim;
    for (int n = 0; fits && n < ndim; n++) {
        fits = shape[n] == -1 || shape[n] == view->shape[n];
        shape[n] = view->shape[n];
    }
    if (fits)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s is not an array of %s of the right shape", name,
                 type == 'f' ? "float32" : "int64");
    PyBuffer_Release(view);
    view->obj = NULL;
    return -1;
}

static void release(Py_buffer *views, int count)
{
    for (int n = 0; n < count; n++)
        if (views[n].obj)
            PyBuffer_Release(&views[n]);
}

static PyObject *result(int status)
{
    if (status == NO_MEMORY)
        return PyErr_NoMemory();
    if (status == BAD_ID) {
        PyErr_SetString(PyExc_IndexError, "an id is not one of the table's");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *affine(PyObject *module, PyObject *arguments)
{
    (void)module;
    const char *name;
    PyObject *x, *w, *b, *out;
    if (!PyArg_ParseTuple(arguments, "sOOOO", &name, &x, &w, &b, &out))
        return NULL;
    const struct variant *variant = variant_named(name);
    Py_buffer views[4] = {0};
    Py_ssize_t x_shape[2] = {-1, -1}, w_shape[2] = {-1, -1};
    if (!variant || array(x, &views[0], "x", 'f', 2, x_shape, 0))
        return NULL;
    PyObject *returned = NULL;
    w_shape[0] = x_shape[1];
    if (!array(w, &views[1], "w", 'f', 2, w_shape, 0)) {
        Py_ssize_t out_shape[2] = {x_shape[0], w_shape[1]};
        if (!array(b, &views[2], "b", 'f', 1, &w_shape[1], 0) &&
            !array(out, &views[3], "out", 'f', 2, out_shape, 1)) {
            const struct affine job = {
                .x = views[0].buf, .w = views[1].buf, .b = views[2].buf, .out = views[3].buf,
                .rows = x_shape[0], .inner = x_shape[1], .columns = w_shape[1],
            };
            int status;
            Py_BEGIN_ALLOW_THREADS
            status = variant->affine(&job);
            Py_END_ALLOW_THREADS
            returned = result(status);
        }
    }
    release(views, 4);
    return returned;
}

/* Whether every row reads only positions of `ids`. */
static int positions_fit(const struct recurrence *job, int64_t id_count)
{
    for (size_t row = 0; row < job->rows; row++) {
        const int64_t first = job->first[row], steps = job->steps[row];
        if (steps < 0 || steps > id_count)
            return 0;
        if (!steps)
            continue; /* its position means nothing */
        if (first < 0 || first >= id_count)
            return 0;
        const int64_t last = first + job->stride * (steps - 1);
        if (last < 0 || last >= id_count)
            return 0;
    }
    return 1;
}

static PyObject *recurrence(PyObject *module, PyObject *arguments)
{
    (void)module;
    const char *name;
    PyObject *table, *u, *ids, *first, *steps, *out;
    int stride, max_mean;
    if (!PyArg_ParseTuple(arguments, "sOOOOiOpO", &name, &table, &u, &ids, &first, &stride, &steps,
                          &max_mean, &out))
        return NULL;
    const struct variant *variant = variant_named(name);
    if (!variant)
        return NULL;
    Py_buffer views[6] = {0};
    PyObject *returned = NULL;
    Py_ssize_t u_shape[2] = {-1, -1}, table_shape[2] = {-1, -1};
    Py_ssize_t id_count = -1, rows = -1;
    if (array(u, &views[0], "u", 'f', 2, u_shape, 0))
        goto done;
    if (u_shape[1] != 4 * u_shape[0] || (stride != 1 && stride != -1)) {
        PyErr_SetString(PyExc_ValueError, "u is not (units, 4*units), or stride not 1 or -1");
        goto done;
    }
    table_shape[1] = u_shape[1];
    if (array(table, &views[1], "table", 'f', 2, table_shape, 0) ||
        array(ids, &views[2], "ids", 'i', 1, &id_count, 0) ||
        array(first, &views[3], "first", 'i', 1, &rows, 0) ||
        array(steps, &views[4], "steps", 'i', 1, &rows, 0))
        goto done;
    Py_ssize_t out_shape[3] = {max_mean ? 2 : 1, rows, u_shape[0]};
    if (array(out, &views[5], "out", 'f', 3, out_shape, 1))
        goto done;
    const struct recurrence job = {
        .table = views[1].buf, .u = views[0].buf, .ids = views[2].buf, .first = views[3].buf,
        .steps = views[4].buf, .out = views[5].buf, .words = table_shape[0], .rows = rows,
        .units = u_shape[0], .stride = stride, .max_mean = max_mean,
    };
    if (!positions_fit(&job, id_count)) {
        PyErr_SetString(PyExc_IndexError, "a row reads beyond the ids");
        goto done;
    }
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = variant->recurrence(&job);
    Py_END_ALLOW_THREADS
    returned = result(status);
done:
    release(views, 6);
    return returned;
}

static PyMethodDef methods[] = {
    {"affine", affine, METH_VARARGS, "affine(variant, x, w, b, out): out = x w + b"},
    {"recurrence", recurrence, METH_VARARGS,
     "recurrence(variant, table, u, ids, first, stride, steps, max_mean, out)"},
    {NULL, NULL, 0, NULL},
};

static int fill_module(PyObject *module)
{
    find_variants();
    PyObject *names = PyTuple_New(variant_count);
    if (!names)
        return -1;
    for (int n = 0; n < variant_count; n++) {
        PyObject *name = PyUnicode_FromString(variants[n]->name);
        if (!name || PyTuple_SetItem(names, n, name)) {
            Py_DECREF(names);
            return -1;
        }
    }
    const int failed = PyModule_AddObjectRef(module, "VARIANTS", names);
    Py_DECREF(names);
    return failed;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, fill_module}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "lstm_model._kernel",
    .m_doc = "The packed scorer's LSTM, compiled; see `lstm_model/kernel.py`.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModuleDef_Init(&definition);
}
