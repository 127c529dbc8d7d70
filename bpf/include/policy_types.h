/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every struct and number that the eBPF programs and user space share. C# mirrors them; a test compares the two from BTF.
 * All fields are in host byte order unless their name ends in _be.
 */
#ifndef PORTCULLIS_POLICY_TYPES_H
#define PORTCULLIS_POLICY_TYPES_H

#include <linux/types.h>

/* Grows with every change of a struct, an encoding or the meaning of a table in this file. */
#define PC_LAYOUT_VERSION 3

enum pc_direction {
	PC_INGRESS = 0,
	PC_EGRESS = 1,
};

/*
 * A table entry that refers to what comes next in the walk from an address to its class. Zero is class 0: an address
 * that no rule distinguishes from the rest of the world.
 */
#define PC_REF_KIND_MASK 0xc0000000u
#define PC_REF_CLASS 0x00000000u /* low 16 bits: the class */
#define PC_REF_BLOCK 0x40000000u /* low 30 bits: index into blocks */
#define PC_REF_NODE 0x80000000u /* low 30 bits: index into nodes6 */
#define PC_REF_VALUE_MASK 0x3fffffffu

/*
 * IPv4: the root is indexed by the first two bytes; its entries are classes, or blocks indexed by the third byte; theirs
 * are classes, or blocks of classes indexed by the last.
 */
#define PC_ROOT4_ENTRIES 65536

struct pc_block {
	__u32 ref[256];
};

/*
 * IPv6: a path-compressed step. An address whose masked bits equal value goes on to next (a class, or a block indexed by
 * the address byte that starts at bit shift of its high or low half); every other one has the class otherwise.
 * Block entries are classes or further nodes. The root is pc_config.root6.
 */
struct pc_node6 {
	__u64 value_high;
	__u64 value_low;
	__u64 mask_high;
	__u64 mask_low;
	__u32 otherwise; /* PC_REF_CLASS */
	__u32 next; /* PC_REF_CLASS or PC_REF_BLOCK */
	__u32 low; /* 1: the indexing byte is in the low half */
	__u32 shift; /* 0, 8, .. 56 */
};

/*
 * A verdict. Zero denies: memory that was never written never allows.
 */
#define PC_VERDICT_KIND_SHIFT 29
#define PC_VERDICT_ARG_MASK 0x1fffffffu
enum pc_verdict_kind {
	PC_VERDICT_DENY = 0, /* arg: rule number */
	PC_VERDICT_ALLOW = 1, /* arg: rule number, 0: no rule decided */
	PC_VERDICT_ISOLATED = 2, /* denied by isolation, but for the endpoint's own addresses; arg: rule number */
	PC_VERDICT_AUDIT = 3, /* allowed; would be denied by the rule arg if audit policies were enforced */
	PC_VERDICT_PORTS = 4, /* arg: index of a port list's header in ports */
	PC_VERDICT_AUDIT_ISOLATED = 5, /* as PC_VERDICT_AUDIT, but for the endpoint's own addresses */
};

/*
 * A port list: a header whose start is the number of entries that follow, then the entries with ascending start. The
 * verdict of a key is that of the last entry whose start is not above it, or the header's when there is none. Keys are
 * transport << 16 | destination port; these verdicts are never PC_VERDICT_PORTS.
 */
enum pc_transport {
	PC_TRANSPORT_TCP = 0,
	PC_TRANSPORT_UDP = 1,
	PC_TRANSPORT_SCTP = 2,
	PC_TRANSPORT_OTHER = 3, /* every other protocol, port 0 */
};

struct pc_port_entry {
	__u32 start;
	__u32 verdict;
};

/*
 * Rows per (rule set), pages per 256 classes. Row 0 is never used: an endpoint's direction with row 0 is not policed. A row
 * that denies nothing, because its policies are in audit mode, is referred to with PC_ROW_OPEN: what it cannot judge passes.
 */
#define PC_ROW_OPEN 0x80000000u

struct pc_row {
	__u32 page[256];
};

struct pc_page {
	__u32 verdict[256];
};

#define PC_ENDPOINT_PRESENT 0x1u
#define PC_ENDPOINT_SELF 0x2u /* the interface is the machine's own: TC ingress is the workload's ingress */
#define PC_ENDPOINT_CHECK_SOURCE 0x4u /* only the own addresses may be sent from */
#define PC_ENDPOINT_MORE_ADDRESSES 0x8u /* own addresses beyond the first of each family are in own_addresses */
#define PC_ENDPOINT_HAS_IP4 0x10u
#define PC_ENDPOINT_HAS_IP6 0x20u
#define PC_ENDPOINT_CLOSED 0x40u /* nothing passes but ARP, neighbour discovery and MLD */

/* One cache line. rows is written with one 8-byte store: both directions switch together. */
struct pc_endpoint {
	__u32 rows[2]; /* by enum pc_direction; 0: no rules */
	__u32 flags;
	__u32 ip4_be;
	__u8 ip6[16]; /* network order */
	/*
	 * How many more packets shall look whether their connection lacks a reply permit. The programs set it when a
	 * reply finds none (evicted, or older than the agent); user space only ever writes 0.
	 */
	__u32 heal;
	__u32 ifindex; /* whose entry this is */
	__u32 pad[6];
} __attribute__((aligned(64)));

/*
 * What every packet reads, at addresses that the programs know. An interface has the slot of its index's low bits; when
 * another one has that already, pc_far_slots says which of the slots from PC_NEAR_SLOTS on it has. Interface indexes
 * only ever grow, so a slot is never asked for by index alone: the entry names its interface.
 */
#define PC_NEAR_SLOTS 4096
#define PC_ENDPOINT_SLOTS 8192

struct pc_direct {
	__u32 root4[PC_ROOT4_ENTRIES];
	struct pc_endpoint endpoints[PC_ENDPOINT_SLOTS];
};

/* Key of own_addresses. */
struct pc_own_address_key {
	__u32 ifindex;
	__u8 address[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
};

#define PC_CONFIG_KEEP_ESTABLISHED 0x1u
#define PC_CONFIG_EVENTS 0x2u /* somebody reads the events */

#define PC_SEEDS 12

struct pc_config {
	__u32 layout; /* PC_LAYOUT_VERSION */
	__u32 flags; /* PC_CONFIG_* */
	__u32 root6; /* PC_REF_* */
	__u32 event_tokens; /* events the programs may still send; user space refills it */
	__u32 seed[PC_SEEDS]; /* secret; the same as long as the permits live */
};

/* Known to the verifier: read-only from before the programs are loaded. */
struct pc_constants {
	__u32 row_mask; /* number of rows, a power of two, less 1 */
	__u32 tick_shift; /* so many jiffies, as a power of two, are about a second */
};

/*
 * Remembers a flow that policy allowed, so that its replies pass where policy alone would deny them; also a datagram whose
 * first fragment was allowed. The tag is a keyed hash of interface, opening direction, protocol, addresses and ports. One
 * 8-byte store publishes an entry, so no lock is needed. A full bucket evicts from the owner that has most entries in it:
 * a flood of one endpoint displaces its own permits.
 */
#define PC_PERMIT_WAYS 8
#define PC_PERMIT_BUCKETS 65536
#define PC_PERMIT_OWNER_MASK 0x00ffffffu /* interface index */
#define PC_PERMIT_KIND_SHIFT 24

enum pc_permit_kind {
	PC_PERMIT_TCP = 0,
	PC_PERMIT_TCP_CLOSING = 1,
	PC_PERMIT_OTHER = 2,
	PC_PERMIT_FRAGMENT = 3,
};

struct pc_permit {
	__u64 tag; /* 0: free */
	__u32 seen; /* in units of 2^pc_constants.tick_shift jiffies */
	__u32 owner; /* interface index, kind */
};

struct pc_permit_bucket {
	struct pc_permit slot[PC_PERMIT_WAYS];
};

/* What became of a packet and why. Each reason belongs to one verdict; user space has the names. */
enum pc_reason {
	PC_REASON_ALLOWED = 0, /* by policy */
	PC_REASON_UNPOLICED = 1, /* no policy for this direction */
	PC_REASON_REPLY = 2, /* to a flow that policy allows */
	PC_REASON_ESTABLISHED = 3, /* flow from before a policy change, which is set to keep it */
	PC_REASON_OWN_ADDRESS = 4, /* the workload itself, through a Service */
	PC_REASON_NEIGHBOUR = 5, /* ARP, neighbour discovery, MLD */
	PC_REASON_NON_IP = 6, /* not IP, direction not policed */
	PC_REASON_ICMP_ERROR = 7, /* about a packet of an allowed flow */
	PC_REASON_FRAGMENT = 8, /* follows its first fragment */

	PC_REASON_AUDIT = 12, /* allowed; policies in audit mode would deny it */

	PC_REASON_DENIED = 16, /* by a rule */
	PC_REASON_ISOLATED = 17, /* no rule allows it */
	PC_REASON_SPOOFED = 18, /* source address is not the workload's */
	PC_REASON_NON_IP_DENIED = 19,
	PC_REASON_VLAN = 20, /* tagged, and not IP inside */
	PC_REASON_TRUNCATED = 21,
	PC_REASON_MALFORMED = 22,
	PC_REASON_EXTENSION_HEADERS = 23, /* too many, or source routed */
	PC_REASON_FRAGMENT_DENIED = 24, /* first fragment denied or not seen, or a tiny one */
	PC_REASON_CLOSED = 25, /* the endpoint could not be enforced as asked */
	PC_REASON_NO_ENDPOINT = 26, /* attached, but not in the endpoint table */
	PC_REASON_TABLE_FAULT = 27, /* a table refers outside of another */
};

#define PC_REASON_FIRST_DENY PC_REASON_DENIED
#define PC_REASONS 32
#define PC_COUNTER_EVENTS_LOST (2 * PC_REASONS)
#define PC_COUNTERS (2 * PC_REASONS + 1)

/* Per processor, at direction * PC_REASONS + reason; and the events that were lost. */
struct pc_counter {
	__u64 packets;
	__u64 bytes;
};

/* An interface by its name, with zeros behind it. */
struct pc_interface_name {
	char letters[16]; /* IFNAMSIZ */
};

/* What may not pass an interface before the programs are on it: 0, or the direction as the endpoint sees it plus one. */
struct pc_awaited {
	__u8 in; /* of packets that come in by the interface */
	__u8 out; /* of those that leave by it */
};

/* Packets that a rule decided. Per processor, by rule number; whatever no rule decided is at 0. */
enum pc_rule_fate {
	PC_RULE_ALLOWED = 0,
	PC_RULE_DENIED = 1,
	PC_RULE_AUDITED = 2,
	PC_RULE_FATES = 3,
};

struct pc_rule_counter {
	__u64 packets[PC_RULE_FATES];
};

/* A packet that opened a flow or was not simply allowed. */
struct pc_event {
	__u64 time; /* ns since boot, CLOCK_MONOTONIC */
	__u32 ifindex;
	__u32 rule; /* argument of the verdict */
	__u8 source[16]; /* network order; IPv4 in the first four bytes */
	__u8 destination[16];
	__u16 source_port;
	__u16 destination_port;
	__u8 direction;
	__u8 reason;
	__u8 protocol;
	__u8 family; /* 4, 6; 0: not IP */
};

#endif
