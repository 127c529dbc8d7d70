/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables. User space sets the sizes marked 1 before it loads; those it writes are memory-mapped. */
#ifndef PORTCULLIS_MAPS_H
#define PORTCULLIS_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "policy_types.h"

#define PC_TABLE(name, type_of_value, entries) \
	struct { \
		__uint(type, BPF_MAP_TYPE_ARRAY); \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, entries); \
		__type(key, __u32); \
		__type(value, type_of_value); \
	} name SEC(".maps")

/* A global variable is an array of one entry that is read without a lookup. */
const volatile struct pc_constants pc_constants;
struct pc_direct pc_direct;
struct pc_config pc_config SEC(".data.config") = { .layout = PC_LAYOUT_VERSION };

PC_TABLE(pc_blocks, struct pc_block, 1);
PC_TABLE(pc_nodes6, struct pc_node6, 1);
PC_TABLE(pc_pages, struct pc_page, 1);
PC_TABLE(pc_ports, struct pc_port_entry, 1);

/* One entry that holds all rows: an index into it is computed, not looked up. User space sets the size of the value. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct pc_row));
} pc_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PC_ENDPOINT_SLOTS);
	__type(key, __u32); /* interface index */
	__type(value, __u32); /* slot */
} pc_far_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct pc_own_address_key);
	__type(value, __u8);
} pc_own_addrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PC_PERMIT_BUCKETS);
	__type(key, __u32);
	__type(value, struct pc_permit_bucket);
} pc_permits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PC_COUNTERS);
	__type(key, __u32);
	__type(value, struct pc_counter);
} pc_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pc_rule_counter);
} pc_rule_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} pc_events SEC(".maps");

/*
 * No program reads this pair. An update of a slot of an array of maps by system call returns only after every program
 * that was running has ended: the grace period before an unlinked table entry is reused.
 */
struct pc_grace_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} pc_grace_slot SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct pc_grace_inner);
} pc_grace SEC(".maps") = {
	.values = { &pc_grace_slot },
};

#endif
