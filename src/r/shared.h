/* Shared objects: what the files that read and write them have in common.
 *
 * An object that is open in this process is a struct object, which an external
 * pointer keeps; a *leaf* is a vector of it that R sees, of one of the ALTREP
 * classes of leaves.c, strings.c and lists.c. data2 of a leaf is an external
 * pointer to its struct leaf, protecting the object's pointer; data1 is what
 * was made of it for R. No leaf has a finalizer, only the object's pointer has.
 */
#ifndef SHAREDMEMORY_R_SHARED_H
#define SHAREDMEMORY_R_SHARED_H

#include "../core/object/object.h"
#include "altrep.h"

#include <Rversion.h>

/* From R 4.3 on lists can be ALTREP: an object is one reference. Before, it is
 * an ordinary tree of lists, and its vectors are the references. */
#define HAS_ALTLIST (R_VERSION >= R_Version(4, 3, 0))

struct object {
  smem_reference reference;
  smem_handle *handle; /* NULL: not open */
  smem_tree tree;
  uint64_t epoch;  /* counts openings and closings: odd while it is open */
  bool is_private; /* a mapping for one leaf that is assigned to; others may not
                      use it */
  uint64_t made;   /* elements of ordinary lists, in one r_make_object() */
  bool exposed;    /* somebody was given a pointer to write through */
  bool finalized;
  SEXP pointer;
  struct object *next; /* of those that can be found by their generation */
};

struct leaf {
  struct object *object;
  uint64_t epoch; /* object->epoch when what follows was found; 0: never */
  uint64_t node, length;
  const char *bytes;       /* of numbers */
  smem_strings strings;    /* of strings */
  const SEXP *made, *full; /* of strings: see strings.c */
  uint64_t first;          /* of lists: the first child */
  bool checked;            /* of logicals: there is nothing but 0, 1 and NA */
  bool written;            /* elements were set: it is an ordinary vector now */
};

/* ---- objects: shared.c -----------------------------------------------------
 */

/* The pointer of the object of this reference, which is the same as long as
 * anybody has it; perhaps not open yet. */
SEXP r_object_pointer(const smem_reference *reference);
struct object *r_object_of(SEXP pointer);

/* Open it, and its parts. Throws. */
void r_object_open(struct object *object, enum smem_arrival arrival);
/* The same for what has come in by a reference: counts it, and never throws. */
void r_object_receive(struct object *object);
/* The same object once more, with a mapping of its own. R_NilValue if that
 * fails. */
SEXP r_object_alias(const struct object *object);

/* Close it and let it go, as the garbage collector would. A vector of it that
 * is still used opens it again, if it can be found. */
void r_object_let_go(struct object *object);

/* Throw that the object cannot be read. */
void r_object_wrong(const struct object *object, const char *wrong)
#if defined(__GNUC__)
    __attribute__((noreturn))
#endif
    ;

/* The node, checked. Throws. The object is open. */
smem_node r_object_node(const struct object *object, uint64_t number);

/* The external pointer that stands for the object where R writes it: R writes
 * each once per stream, so that further leaves of the object take few bytes. It
 * has nothing of ours behind it. */
SEXP r_object_sign(struct object *object);

/* The client's part of the object's pointer: the list that the blob holds. */
SEXP r_object_blobs(struct object *object);

/* ---- leaves: shared.c -------------------------------------------------------
 */

SEXP r_leaf_new(R_altrep_class_t class, SEXP pointer, uint64_t node,
                uint64_t length);
/* R asks for each element by itself, and twice: for the length and for the
 * value. The way from x to its leaf is two functions of R's, so the last one is
 * kept. It holds for as long as x is a leaf: r_leaf_new(), the only one to make
 * them, forgets it when R puts another vector in the same place. */
extern struct r_last_leaf {
  SEXP x;
  struct leaf *leaf;
} r_last_leaf;
static inline struct leaf *r_leaf(SEXP x) {
  if (x != r_last_leaf.x)
    r_last_leaf = (struct r_last_leaf){x, R_ExternalPtrAddr(R_altrep_data2(x))};
  return r_last_leaf.leaf;
}
SEXP r_leaf_pointer(SEXP x);
/* The pointer of the object that holds it as a part, which stays as long as the
 * leaf; R_NilValue: it is its own object's. */
SEXP r_leaf_keeper(SEXP x);
void r_leaf_keep(SEXP x, SEXP keeper);

/* Is what it knows of the memory good? Otherwise r_leaf_find(). */
static inline bool r_leaf_is_found(const struct leaf *leaf) {
  return leaf->epoch == leaf->object->epoch && leaf->epoch % 2 == 1;
}
/* Open the object if need be, and give the node, which must be of this kind and
 * of the leaf's length; then set leaf->epoch. Throws. */
smem_node r_leaf_find(struct leaf *leaf, smem_kind kind);

R_xlen_t r_leaf_length(SEXP x);
Rboolean r_leaf_inspect(SEXP x, int before, int deep, int vectors,
                        void (*subtree)(SEXP, int, int, int));

/* For the Serialized_state method. NULL if it must travel by value: the name is
 * gone, or values are asked for. The caller has seen that it is as it was. */
SEXP r_leaf_state(SEXP x);
/* serialize(x, NULL, xdr = xdr), with what is shared in x by value. */
SEXP r_serialize_values(SEXP x, bool xdr);
/* What `code` serializes goes by value. */
SEXP r_with_values(SEXP (*code)(void *data), void *data);
/* The Unserialize method: `class` is one of ours that R found by its name. */
SEXP r_leaf_of_state(SEXP class, SEXP state);

/* ---- classes ------------------------------------------------------------- */

void r_leaves_start(DllInfo *dll);
void r_strings_start(DllInfo *dll);
/* `make`: makes an element, see r_make_element(). */
void r_lists_start(DllInfo *dll, SEXP (*make)(SEXP pointer, uint64_t node));

SEXP r_numbers_new(smem_kind kind, SEXP pointer, uint64_t node,
                   uint64_t length);
SEXP r_strings_new(SEXP pointer, uint64_t node, uint64_t length);
/* An ordinary character vector with the strings of a node. */
SEXP r_strings_copy(const struct object *object, const smem_node *node);
#if HAS_ALTLIST
SEXP r_lists_new(SEXP pointer, uint64_t node, uint64_t length);
#endif

bool r_is_numbers(SEXP x);
bool r_is_strings(SEXP x);
bool r_is_list(SEXP x);

/* ---- looking: look.c ----------------------------------------------------- */

/* Attributes in their order: call `visit` for each. */
void r_each_attribute(SEXP x,
                      void (*visit)(SEXP tag, SEXP value, void *context),
                      void *context);

/* The value of an attribute as it is stored, or R_NilValue. */
SEXP r_attribute(SEXP x, SEXP tag);

smem_kind r_kind_of(SEXP x);
/* Does share() make an object of it, rather than give it back as it is? */
bool r_can_be_shared(SEXP x);

/* first:last, as R makes it: compact. */
SEXP r_sequence(double first, double last);

/* Its class and its extent as text, cut with "..." at its end: "data.frame",
 * "1000 x 3". describe.c. */
void r_describe(SEXP x, char what[SMEM_WHAT_SIZE], char extent[SMEM_WHAT_SIZE]);

/* ---- leaves in objects: inside.c ----------------------------------------- */

/* The leaf that x is, perhaps in a wrapper of R's; NULL: it is none. */
SEXP r_leaf_behind(SEXP x);
/* The first leaf in it: x itself, or in its elements and attributes; NULL:
 * there is none. */
SEXP r_leaf_inside(SEXP x);
/* Does R see in it what the object holds? */
bool r_numbers_is_pristine(SEXP x);
bool r_strings_is_pristine(SEXP x);
bool r_lists_is_pristine(SEXP x);
bool r_leaf_is_pristine(SEXP x);

/* Is x a shared object, or a vector or list in one, that others can find?
 * same.c. */
bool r_is_shared_already(SEXP x);

/* ---- making: make.c ------------------------------------------------------ */

/* Vectors of fewer bytes, and character vectors of fewer strings, are ordinary
 * ones, but for an object that is nothing else. */
enum { R_LEAF_BYTES = 4096, R_LEAF_STRINGS = 512 };

/* What the node stands for. Throws. `form`: is it an object by itself, an
 * element of a list, or the value of an attribute, of which lists are ordinary?
 */
enum r_form { R_WHOLE, R_ELEMENT, R_ATTRIBUTE };
SEXP r_make(SEXP pointer, uint64_t node, enum r_form form);
SEXP r_make_element(SEXP pointer, uint64_t node);

/* All of it. If it can be, something in it is a leaf. */
SEXP r_make_object(SEXP pointer);
/* The same of what was found, or just published, and not sent: nobody counts
 * that it came. Throws. */
SEXP r_make_found(const smem_reference *reference, enum smem_arrival arrival);

/* The same of what this process has just published. If it throws, nothing of
 * that is left. */
SEXP r_make_own(const smem_reference *reference, smem_lifetime lifetime);

/* ---- writing: plan.c ----------------------------------------------------- */

struct plan;
/* Where to write what: knows exactly how many bytes it will take. To be
 * disposed of, also when r_plan_make() jumps. `kept`: a pair that the caller
 * protects as long as the plan is used, and x as well. `holds`: what is in
 * other segments already is held there; otherwise it is written, too. */
struct plan *r_plan_new(smem_lifetime lifetime, bool holds);
void r_plan_make(struct plan *plan, SEXP x, SEXP kept);
uint64_t r_plan_size(const struct plan *plan);
/* What smem_publish() is to be told of it. */
void r_plan_describe(const struct plan *plan, smem_publication *publication);
/* As often as you like. */
smem_code r_plan_write(const struct plan *plan, smem_writer *writer,
                       smem_error *error);
void r_plan_dispose(struct plan *plan);

#endif
