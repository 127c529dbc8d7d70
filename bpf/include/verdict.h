/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a row and a class to a verdict. */
#ifndef PORTCULLIS_VERDICT_H
#define PORTCULLIS_VERDICT_H

#include "classify.h"

static __always_inline __u32 pc_verdict_kind(__u32 verdict)
{
	return verdict >> PC_VERDICT_KIND_SHIFT;
}

/* Keys have 18 bits, so at most 2^18 entries follow the header, and 19 halvings leave none. */
__noinline __u32 pc_search_ports(__u32 header, __u32 key)
{
	struct pc_port_entry *entry = bpf_map_lookup_elem(&pc_ports, &header);
	__u32 first = header + 1, count, middle, verdict;

	if (!entry)
		return 0;
	count = entry->start;
	verdict = entry->verdict;
	for (int i = 0; i < 19 && count; i++) {
		middle = first + count / 2;
		entry = bpf_map_lookup_elem(&pc_ports, &middle);
		if (!entry)
			return 0;
		if (entry->start <= key) {
			verdict = entry->verdict;
			first = middle + 1;
			count -= count / 2 + 1;
		} else {
			count /= 2;
		}
	}
	return count ? 0 : verdict;
}

/* A row of 0 is a direction without policy. Whatever is out of range is 0, which denies. */
static __always_inline __u32 pc_verdict(__u32 row, __u32 class, __u32 key)
{
	__u32 zero = 0, page, verdict;
	struct pc_row *rows;
	struct pc_page *p;

	if (class > 0xffff)
		return 0;
	/* Else clang drops the mask below, which the verifier needs: kernels forget that a copy was in bounds. */
	barrier_var(class);
	rows = bpf_map_lookup_elem(&pc_rows, &zero);
	if (!rows)
		return 0;
	page = *(volatile __u32 *)&rows[row & pc_constants.row_mask].page[class >> 8 & 0xff];
	p = bpf_map_lookup_elem(&pc_pages, &page);
	if (!p)
		return 0;
	verdict = *(volatile __u32 *)&p->verdict[class & 0xff];
	if (pc_verdict_kind(verdict) == PC_VERDICT_PORTS)
		verdict = pc_search_ports(verdict & PC_VERDICT_ARG_MASK, key);
	return verdict;
}

#endif
