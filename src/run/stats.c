/* SPDX-License-Identifier: Apache-2.0 */
/* Ticker and meter. No result depends on them. */
#include "run/stats.h"

#include "base/num.h"
#include "sys/clock.h"

/* Progress about ten times a second. */
#define SHOW_NS  UINT64_C(100000000)
#define STUCK_NS UINT64_C(30000000000)

static void tick(void *context)
{
    struct of_ticker *ticker = context;

    while (of_sleeper_sleep_ns(&ticker->sleeper, SHOW_NS)) {
        of_io_wake(ticker->io);
    }
}

onefold_status of_ticker_start(struct of_ticker *ticker, struct of_io *io, bool wanted,
                               onefold_error *err)
{
    onefold_status status;

    ticker->thread = (struct of_thread){0};
    ticker->io = io;
    if (!wanted) {
        return ONEFOLD_OK;
    }
    of_sleeper_init(&ticker->sleeper);
    status = of_thread_start(&ticker->thread, tick, ticker, err);
    if (status != ONEFOLD_OK) {
        of_sleeper_finish(&ticker->sleeper);
    }
    return status;
}

void of_ticker_stop(struct of_ticker *ticker)
{
    if (ticker->thread.running) {
        of_sleeper_wake(&ticker->sleeper);
        of_thread_join(&ticker->thread);
        of_sleeper_finish(&ticker->sleeper);
    }
}

void of_meter_init(struct of_meter *meter, of_progress_fn *fn, void *context, uint64_t total_bytes)
{
    const uint64_t now = of_clock_ns();

    *meter = (struct of_meter){.fn = fn,
                               .context = context,
                               .total_bytes = total_bytes,
                               .pass = 1,
                               .pass_count = 1,
                               .start_ns = now,
                               .shown_ns = now,
                               .moved_ns = now};
}

void of_meter_moved(struct of_meter *meter)
{
    meter->moved_ns = of_clock_ns();
}

bool of_meter_is_stuck(const struct of_meter *meter)
{
    return of_clock_ns() - meter->moved_ns >= STUCK_NS;
}

void of_meter_show(struct of_meter *meter, uint64_t done_bytes, const char *waiting_for, bool force)
{
    const uint64_t now = of_clock_ns();
    struct of_progress progress = {
        .total_bytes = meter->total_bytes, .pass = meter->pass, .pass_count = meter->pass_count};

    if (meter->fn == NULL || (!force && now - meter->shown_ns < SHOW_NS)) {
        return;
    }
    meter->shown_ns = now;
    /* Reads widened to whole blocks may add up to more than the plan says. */
    progress.done_bytes = of_num_min(done_bytes, meter->total_bytes);
    progress.elapsed_ns = now - meter->start_ns;
    progress.waiting_for = waiting_for;
    meter->fn(meter->context, &progress);
}
