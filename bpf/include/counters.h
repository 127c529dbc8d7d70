/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is told of a packet: always a count, an event when somebody reads them. */
#ifndef PORTCULLIS_COUNTERS_H
#define PORTCULLIS_COUNTERS_H

#include "judge.h"
#include "parse.h"

static __always_inline void pc_add(__u32 index, __u32 bytes)
{
	struct pc_counter *counter = bpf_map_lookup_elem(&pc_counters, &index);

	if (counter) {
		counter->packets++;
		counter->bytes += bytes;
	}
}

/*
 * The same reason, but a constant where it is one of the usual: the processor then knows the counter's address from what it
 * predicts, not from the loads that lead to the verdict. A store of unknown address may hold up the loads of the next packet.
 */
static __always_inline __u32 pc_usual(__u32 reason)
{
	__u32 usual = reason;

	if (reason == PC_REASON_ALLOWED) {
		usual = PC_REASON_ALLOWED;
		barrier_var(usual);
	} else if (reason == PC_REASON_REPLY) {
		usual = PC_REASON_REPLY;
		barrier_var(usual);
	} else if (reason == PC_REASON_DENIED) {
		usual = PC_REASON_DENIED;
		barrier_var(usual);
	} else if (reason == PC_REASON_ISOLATED) {
		usual = PC_REASON_ISOLATED;
		barrier_var(usual);
	}
	return usual;
}

static __always_inline void pc_count_rule(__u32 rule, __u32 fate)
{
	struct pc_rule_counter *counter = bpf_map_lookup_elem(&pc_rule_counters, &rule);

	if (counter)
		counter->packets[fate]++;
}

static __always_inline void pc_count(const struct pc_view *view, __u32 reason, __u32 bytes)
{
	pc_add(view->direction * PC_REASONS + pc_usual(reason), bytes);
	if (reason == PC_REASON_ALLOWED)
		pc_count_rule(view->rule, PC_RULE_ALLOWED);
	else if (reason == PC_REASON_ISOLATED || reason == PC_REASON_DENIED)
		pc_count_rule(view->rule, PC_RULE_DENIED);
	else if (reason == PC_REASON_AUDIT)
		pc_count_rule(view->rule, PC_RULE_AUDITED);
}

/* Reads the packet once more: what judges it then needs to keep nothing in memory. */
__noinline int pc_send_event(struct __sk_buff *skb, __u32 direction, __u32 reason, __u32 rule)
{
	struct pc_packet packet = {};
	struct pc_event *event;

	/* Two processors may take the same token: a limit, not an account. */
	event = pc_config.event_tokens ? bpf_ringbuf_reserve(&pc_events, sizeof(*event), 0) : 0;
	if (!event) {
		pc_add(PC_COUNTER_EVENTS_LOST, 0);
		return 0;
	}
	pc_config.event_tokens--;
	pc_parse(skb, &packet);
	event->time = bpf_ktime_get_ns();
	event->ifindex = skb->ifindex;
	event->rule = rule;
	__builtin_memcpy(event->source, &packet.source, sizeof(event->source));
	__builtin_memcpy(event->destination, &packet.destination, sizeof(event->destination));
	event->source_port = packet.source_port;
	event->destination_port = packet.destination_port;
	event->direction = direction;
	event->reason = reason;
	event->protocol = packet.protocol;
	event->family = packet.family;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
