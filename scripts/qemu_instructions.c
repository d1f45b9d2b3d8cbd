/* A plugin for qemu-user: how many instructions a program executes between one write to its standard output and the
 * next, and where.
 *
 *   cc -shared -fPIC -O2 -o qemu_instructions.so scripts/qemu_instructions.c
 *   qemu-aarch64 -plugin ./qemu_instructions.so -d plugin -D counted.txt PROGRAM
 *
 * At each write it logs a line `ADDRESS COUNT` for each block of code that ran, its address in hexadecimal from the start
 * of the program's code, and then `written`. Made for programs that answer line by line on one thread.
 *
 * Distributions install no qemu-plugin.h, so what is used of it is declared here; it is the same in all versions of
 * QEMU's plugin interface so far. A QEMU that loads other versions only says so: -DVERSION=…
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef VERSION
#define VERSION 1
#endif
#define EXPORTED __attribute__((visibility("default")))

struct qemu_plugin_tb;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_start_code(void);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned vcpu, void *), int flags, void *);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, void (*)(uint64_t id, unsigned vcpu, int64_t number, uint64_t,
                                                                uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                                uint64_t, uint64_t));
void qemu_plugin_outs(const char *);

EXPORTED int qemu_plugin_version = VERSION;

/* aarch64's number of write(2). */
enum { WRITE = 64 };

struct block {
    uint64_t address, instructions, executed;
    struct block *next;
};

static struct block *blocks;

static void on_executed(unsigned vcpu, void *data)
{
    struct block *block = data;
    (void)vcpu;
    block->executed += block->instructions;
}

/* QEMU calls this with its lock on translation held. */
static void on_translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    struct block *block = calloc(1, sizeof *block);
    (void)id;
    if (!block) {
        abort();
    }
    block->address = qemu_plugin_tb_vaddr(tb) - qemu_plugin_start_code();
    block->instructions = qemu_plugin_tb_n_insns(tb);
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_executed, 0, block);
}

static void on_syscall(uint64_t id, unsigned vcpu, int64_t number, uint64_t file, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    char line[64];
    struct block *block;
    (void)id, (void)vcpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != WRITE || file != 1) {
        return;
    }
    for (block = blocks; block; block = block->next) {
        if (block->executed) {
            snprintf(line, sizeof line, "%" PRIx64 " %" PRIu64 "\n", block->address, block->executed);
            qemu_plugin_outs(line);
        }
        block->executed = 0;
    }
    qemu_plugin_outs("written\n");
}

EXPORTED int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
