/* A plugin for qemu-user: how many instructions a program executes between one write to its standard output and the
 * next, and in which functions.
 *
 *   cc -shared -fPIC -O2 -o qemu_instructions.so scripts/qemu_instructions.c
 *   qemu-aarch64 -plugin ./qemu_instructions.so -d plugin -D counted.txt PROGRAM
 *
 * For each write it logs a line `instructions N`, and a line `in N SYMBOL` for each function with more than a hundredth
 * of them. Made for programs that answer line by line on one thread.
 *
 * Distributions install no qemu-plugin.h, so what is used of it is declared here; it is the same in all versions of
 * QEMU's plugin interface so far. A QEMU that loads other versions only says so: -DVERSION=…
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VERSION
#define VERSION 1
#endif
#define EXPORTED __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned vcpu, void *), int flags, void *);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, void (*)(uint64_t id, unsigned vcpu, int64_t number, uint64_t,
                                                                uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                                uint64_t, uint64_t));
void qemu_plugin_outs(const char *);

EXPORTED int qemu_plugin_version = VERSION;

/* aarch64's number of write(2). */
enum { WRITE = 64 };

struct function {
    char *name;
    uint64_t executed;
    struct function *next;
};

struct block {
    struct function *function;
    uint64_t instructions;
};

static struct function *functions;

static void *allocated(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory) {
        abort();
    }
    return memory;
}

static struct function *function_named(const char *name)
{
    struct function *f;
    for (f = functions; f; f = f->next) {
        if (!strcmp(f->name, name)) {
            return f;
        }
    }
    f = allocated(sizeof *f);
    f->name = allocated(strlen(name) + 1);
    strcpy(f->name, name);
    f->next = functions;
    functions = f;
    return f;
}

static void on_executed(unsigned vcpu, void *data)
{
    struct block *block = data;
    (void)vcpu;
    block->function->executed += block->instructions;
}

/* QEMU calls this with its lock on translation held. */
static void on_translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    const char *name = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0));
    struct block *block = allocated(sizeof *block);
    (void)id;
    block->function = function_named(name && *name ? name : "?");
    block->instructions = qemu_plugin_tb_n_insns(tb);
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_executed, 0, block);
}

static void on_syscall(uint64_t id, unsigned vcpu, int64_t number, uint64_t file, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    char line[512];
    uint64_t all = 0;
    struct function *f;
    (void)id, (void)vcpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != WRITE || file != 1) {
        return;
    }
    for (f = functions; f; f = f->next) {
        all += f->executed;
    }
    snprintf(line, sizeof line, "instructions %" PRIu64 "\n", all);
    qemu_plugin_outs(line);
    for (f = functions; f; f = f->next) {
        if (f->executed > all / 100) {
            snprintf(line, sizeof line, "in %" PRIu64 " %s\n", f->executed, f->name);
            qemu_plugin_outs(line);
        }
        f->executed = 0;
    }
}

EXPORTED int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
