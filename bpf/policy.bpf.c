// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One program for each hook of an interface; all interfaces and both families share them. A packet that may pass is left
 * to the other filters of the hook (TC_ACT_UNSPEC), any other is dropped.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "include/counters.h"
#include "include/parse.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PC_HOOK_INGRESS 0
#define PC_HOOK_EGRESS 1

/* IPv6 fe80::/10 or :: */
static __always_inline int pc_is_local_source(const struct pc_packet *p)
{
	return p->family == 6
		&& ((p->source.word[0] & bpf_cpu_to_be64(0xffc0000000000000ULL)) == bpf_cpu_to_be64(0xfe80000000000000ULL)
		    || !(p->source.word[0] | p->source.word[1]));
}

/* What is decided, in one register: enum pc_reason, and what is counted and told of it. */
#define PC_OUTCOME_REASON 0xff
#define PC_OUTCOME_EGRESS 0x100
#define PC_OUTCOME_NEWS 0x200
#define PC_OUTCOME_RULE_SHIFT 32

static __always_inline __u64 pc_outcome(const struct pc_view *view, const struct pc_packet *p, enum pc_reason reason)
{
	__u64 outcome = reason | (view->direction == PC_EGRESS ? PC_OUTCOME_EGRESS : 0)
		| (__u64)view->rule << PC_OUTCOME_RULE_SHIFT;

	/* An allowed flow is told once, by its first packet. */
	if (reason >= PC_REASON_AUDIT
	    || (reason == PC_REASON_ALLOWED && (p->roles & (PC_TCP | PC_OPENS)) == (PC_TCP | PC_OPENS)))
		outcome |= PC_OUTCOME_NEWS;
	return outcome;
}

static __always_inline int pc_finish(struct __sk_buff *skb, __u32 direction, __u32 reason, __u64 outcome)
{
	if (pc_config.flags & PC_CONFIG_EVENTS && outcome & PC_OUTCOME_NEWS)
		pc_send_event(skb, direction, reason, outcome >> PC_OUTCOME_RULE_SHIFT);
	return reason >= PC_REASON_FIRST_DENY ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

/*
 * An error passes when the packet it quotes went the other way and may be answered, by policy or by a permit. Else it keeps
 * its own reason. *p becomes the answer: the stack has no room for both.
 */
static __always_inline enum pc_reason pc_judge_error(struct __sk_buff *skb, struct pc_view *view, struct pc_packet *p,
						     enum pc_reason reason)
{
	__u32 rule = view->rule;
	enum pc_reason answered;

	if (!pc_parse_quoted(skb, p, view->direction))
		return reason;
	answered = pc_judge_slowly(view, p, PC_FACT_QUOTED);
	if (answered >= PC_REASON_FIRST_DENY) {
		view->rule = rule;
		return reason;
	}
	return answered == PC_REASON_AUDIT ? PC_REASON_AUDIT : PC_REASON_ICMP_ERROR;
}

/* Later fragments share the fate of the first. Only a policed direction remembers it. */
static __always_inline enum pc_reason pc_judge_fragment(struct pc_view *view, const struct pc_packet *p)
{
	if (!pc_is_policed(view->row))
		return PC_REASON_UNPOLICED;
	/* Marked as both: it starts inside the transport header. */
	if (p->roles & PC_FIRST_FRAGMENT)
		return PC_REASON_FRAGMENT_DENIED;
	return pc_permit_use_slowly(pc_fragment_tag(view->ifindex, p, view->direction), 0)
		? PC_REASON_FRAGMENT : PC_REASON_FRAGMENT_DENIED;
}

static __always_inline void pc_record_fragment(const struct pc_view *view, __u64 tag, enum pc_reason reason)
{
	if (reason >= PC_REASON_FIRST_DENY)
		pc_permit_revoke(tag);
	else
		pc_permit_grant(tag, (view->ifindex & PC_PERMIT_OWNER_MASK) | PC_PERMIT_FRAGMENT << PC_PERMIT_KIND_SHIFT);
}

static __always_inline enum pc_reason pc_judge_any(struct __sk_buff *skb, struct pc_view *view, struct pc_packet *p)
{
	__u32 checked = view->direction == PC_EGRESS && view->flags & PC_ENDPOINT_CHECK_SOURCE;
	int error = pc_parse(skb, p);
	enum pc_reason reason;
	__u64 fragment = 0;

	if (error) {
		if (view->flags & PC_ENDPOINT_CLOSED || pc_is_policed(view->row) || checked)
			return error;
		return PC_REASON_UNPOLICED;
	}
	if (p->roles & PC_NEIGHBOUR) {
		if (checked && p->family == 6 && !pc_is_local_source(p) && !pc_is_own_slowly(view, 6, &p->source))
			return PC_REASON_SPOOFED;
		return PC_REASON_NEIGHBOUR;
	}
	if (view->flags & PC_ENDPOINT_CLOSED)
		return PC_REASON_CLOSED;
	if (p->roles & PC_NOT_IP) {
		if (p->roles & PC_TAGGED)
			return pc_is_policed(view->row) || pc_is_policed(view->reverse_row)
				|| view->flags & PC_ENDPOINT_CHECK_SOURCE
				? PC_REASON_VLAN : PC_REASON_NON_IP;
		return pc_is_policed(view->row) ? PC_REASON_NON_IP_DENIED : PC_REASON_NON_IP;
	}
	if (checked && !pc_is_own_slowly(view, p->family, &p->source))
		return PC_REASON_SPOOFED;
	if (p->roles & PC_LATER_FRAGMENT)
		return pc_judge_fragment(view, p);
	if (p->roles & PC_FIRST_FRAGMENT && pc_is_policed(view->row))
		fragment = pc_fragment_tag(view->ifindex, p, view->direction);
	reason = pc_judge_slowly(view, p, 0);
	if (reason >= PC_REASON_AUDIT && p->roles & PC_ICMP_ERROR)
		reason = pc_judge_error(skb, view, p, reason);
	if (fragment)
		pc_record_fragment(view, fragment, reason);
	return reason;
}

static __always_inline int pc_view(struct __sk_buff *skb, __u32 hook, __u32 slot, struct pc_view *view)
{
	struct pc_endpoint *endpoint = pc_endpoint(slot);
	__u64 rows;

	view->slot = slot;
	view->ifindex = skb->ifindex;
	view->rule = 0;
	view->direction = hook;
	view->flags = *(volatile __u32 *)&endpoint->flags;
	if (!(view->flags & PC_ENDPOINT_PRESENT) || *(volatile __u32 *)&endpoint->ifindex != view->ifindex)
		return 0;
	/* On the workload's side of the interface the directions are swapped, but not on the machine's own. */
	view->direction = view->flags & PC_ENDPOINT_SELF ? hook : !hook;
	rows = *(volatile __u64 *)endpoint->rows;
	view->row = view->direction == PC_INGRESS ? (__u32)rows : rows >> 32;
	view->reverse_row = view->direction == PC_INGRESS ? rows >> 32 : (__u32)rows;
	return 1;
}

/* Any packet of any interface. The endpoint is looked up again: its view does not fit into an argument. */
__noinline __u64 pc_slow(struct __sk_buff *skb, __u32 hook)
{
	__u32 ifindex = skb->ifindex, slot = ifindex & (PC_NEAR_SLOTS - 1);
	__u32 *far = bpf_map_lookup_elem(&pc_far_slots, &ifindex);
	struct pc_packet packet = {};
	struct pc_view view;
	enum pc_reason reason;

	if (far)
		slot = *far;
	reason = pc_view(skb, hook, slot, &view) ? pc_judge_any(skb, &view, &packet) : PC_REASON_NO_ENDPOINT;
	pc_count(&view, reason, skb->len);
	return pc_outcome(&view, &packet, reason);
}

static __always_inline __u32 pc_judge_plain(struct __sk_buff *skb, struct pc_view *view, struct pc_packet *p)
{
	if (view->flags & (PC_ENDPOINT_CHECK_SOURCE | PC_ENDPOINT_CLOSED)) {
		if (view->flags & PC_ENDPOINT_CLOSED)
			return PC_REASON_CLOSED;
		if (view->direction == PC_EGRESS && !pc_is_own(view, p->family, &p->source))
			return PC_REASON_SPOOFED;
	}
	return pc_judge(skb, view, p);
}

/* Apart from IPv4, which leaves both more of the stack. */
__noinline __u64 pc_plain6(struct __sk_buff *skb, __u32 hook)
{
	struct pc_packet packet;
	struct pc_view view;
	__u32 reason;

	if (!pc_view(skb, hook, skb->ifindex & (PC_NEAR_SLOTS - 1), &view) || !pc_parse_fast6(skb, &packet))
		return PC_NOT_PLAIN;
	reason = pc_judge_plain(skb, &view, &packet);
	if (reason == PC_NOT_PLAIN)
		return PC_NOT_PLAIN;
	pc_count(&view, reason, skb->len);
	return pc_outcome(&view, &packet, reason);
}

static __always_inline int pc_hook(struct __sk_buff *skb, __u32 hook)
{
	void *data = (void *)(long)skb->data;
	__u64 outcome = PC_NOT_PLAIN;
	struct pc_packet packet;
	struct pc_view view;
	__be16 type = 0;
	__u32 reason;

	if (data + ETH_HLEN <= (void *)(long)skb->data_end)
		type = *(__be16 *)(data + ETH_HLEN - 2);
	if (type == bpf_htons(ETH_P_IP)) {
		if (pc_view(skb, hook, skb->ifindex & (PC_NEAR_SLOTS - 1), &view) && pc_parse_fast4(skb, &packet)) {
			reason = pc_judge_plain(skb, &view, &packet);
			if (reason != PC_NOT_PLAIN) {
				pc_count(&view, reason, skb->len);
				return pc_finish(skb, view.direction, reason, pc_outcome(&view, &packet, reason));
			}
		}
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		outcome = pc_plain6(skb, hook);
	}
	if (outcome == PC_NOT_PLAIN)
		outcome = pc_slow(skb, hook);
	return pc_finish(skb, outcome & PC_OUTCOME_EGRESS ? PC_EGRESS : PC_INGRESS, outcome & PC_OUTCOME_REASON, outcome);
}

SEC("tc")
int portcullis_tc_ingress(struct __sk_buff *skb)
{
	return pc_hook(skb, PC_HOOK_INGRESS);
}

SEC("tc")
int portcullis_tc_egress(struct __sk_buff *skb)
{
	return pc_hook(skb, PC_HOOK_EGRESS);
}
