/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of a packet once it is parsed. */
#ifndef PORTCULLIS_PACKET_H
#define PORTCULLIS_PACKET_H

#include <linux/types.h>
#include "policy_types.h"

#define PC_OPENS 0x01u /* may be the first packet of a flow */
#define PC_REPLIES 0x02u /* may be a reply */
#define PC_CLOSES 0x04u /* TCP FIN or RST */
#define PC_TCP 0x08u
#define PC_ICMP_ERROR 0x10u
#define PC_NEIGHBOUR 0x20u /* neighbour discovery or MLD as the router or neighbour next door sends it */
#define PC_FIRST_FRAGMENT 0x40u
#define PC_LATER_FRAGMENT 0x80u
#define PC_NOT_IP 0x100u
#define PC_TAGGED 0x200u

/* An address: network order as it lies in memory, in two words; IPv4 in the first four bytes, the rest 0. */
struct pc_address {
	__u64 word[2];
};

struct pc_packet {
	struct pc_address source;
	struct pc_address destination;
	__u16 source_port; /* for ICMP echo both ports are its identifier */
	__u16 destination_port;
	__u8 family; /* 4, 6; 0: not IP */
	__u8 protocol;
	__u16 roles; /* PC_OPENS .. */
	__u32 fragment_id;
	__u32 transport_offset; /* from the start of the frame */
	__u32 end; /* of the IP packet, from the start of the frame */
};

static __always_inline __u32 pc_transport_of(__u8 protocol)
{
	switch (protocol) {
	case 6:
		return PC_TRANSPORT_TCP;
	case 17:
		return PC_TRANSPORT_UDP;
	case 132:
		return PC_TRANSPORT_SCTP;
	default:
		return PC_TRANSPORT_OTHER;
	}
}

/* Key into a port list for a packet of this protocol to this port. */
static __always_inline __u32 pc_port_key(__u8 protocol, __u16 port)
{
	__u32 transport = pc_transport_of(protocol);

	return transport << 16 | (transport == PC_TRANSPORT_OTHER ? 0 : port);
}

static __always_inline int pc_same_address(const struct pc_address *a, const struct pc_address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

#endif
