/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is told of a packet: always a count, an event when somebody reads them. */
#ifndef PORTCULLIS_COUNTERS_H
#define PORTCULLIS_COUNTERS_H

#include "judge.h"

static __always_inline void pc_count(__u32 index, __u32 bytes)
{
	struct pc_counter *counter = bpf_map_lookup_elem(&pc_counters, &index);

	if (counter) {
		counter->packets++;
		counter->bytes += bytes;
	}
}

static __noinline int pc_send_event(const struct pc_view *view, const struct pc_packet *p, __u32 reason)
{
	struct pc_event *event;

	/* Two processors may take the same token: a limit, not an account. */
	event = pc_config.event_tokens ? bpf_ringbuf_reserve(&pc_events, sizeof(*event), 0) : 0;
	if (!event) {
		pc_count(PC_COUNTER_EVENTS_LOST, 0);
		return 0;
	}
	pc_config.event_tokens--;
	event->time = bpf_ktime_get_ns();
	event->ifindex = view->ifindex;
	event->rule = view->rule;
	__builtin_memcpy(event->source, &p->source, sizeof(event->source));
	__builtin_memcpy(event->destination, &p->destination, sizeof(event->destination));
	event->source_port = p->source_port;
	event->destination_port = p->destination_port;
	event->direction = view->direction;
	event->reason = reason;
	event->protocol = p->protocol;
	event->family = p->family;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
