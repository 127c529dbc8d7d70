// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Never loaded: its BTF describes every shared type, which a test compares with what user space has. */
#include "include/policy_types.h"

union {
	struct pc_block block;
	struct pc_node6 node6;
	struct pc_port_entry port_entry;
	struct pc_row row;
	struct pc_page page;
	struct pc_endpoint endpoint;
	struct pc_own_address_key own_address_key;
	struct pc_config config;
	struct pc_constants constants;
	struct pc_direct direct;
	struct pc_permit_bucket permit_bucket;
	struct pc_counter counter;
	struct pc_rule_counter rule_counter;
	struct pc_event event;
	struct pc_interface_name interface_name;
	struct pc_awaited awaited;
	enum pc_direction direction;
	enum pc_verdict_kind verdict_kind;
	enum pc_transport transport;
	enum pc_permit_kind permit_kind;
	enum pc_reason reason;
	enum pc_rule_fate rule_fate;
} pc_shared_types;
