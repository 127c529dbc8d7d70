/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Parsing of hostile input. All parsers fill the same struct: pc_parse_fast4 and 6 for plain TCP and UDP in linear memory by
 * direct access; pc_parse for everything, by bpf_skb_load_bytes, which also reads split packets.
 * Both never look beyond the length the IP header states, nor beyond the packet.
 */
#ifndef PORTCULLIS_PARSE_H
#define PORTCULLIS_PARSE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "packet.h"

#define PC_PARSED 0 /* else the enum pc_reason to drop it with when the endpoint is policed */

#define PC_TCP_FIN 0x01u
#define PC_TCP_SYN 0x02u
#define PC_TCP_RST 0x04u
#define PC_TCP_ACK 0x10u
#define PC_IP4_OFFSET 0x1fffu
#define PC_IP4_MORE 0x2000u
#define PC_MAX_TAGS 2
#define PC_MAX_EXTENSIONS 8
/* A later fragment that starts inside a TCP header could rewrite it (RFC 1858). In units of 8 bytes. */
#define PC_MIN_FRAGMENT_OFFSET 3

struct pc_ip4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length_be;
	__be16 id_be;
	__be16 fragment_be;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum_be;
	__be32 source_be;
	__be32 destination_be;
};

/* What comes before the addresses. */
struct pc_ip6_start {
	__be32 version_class_flow_be;
	__be16 payload_length_be;
	__u8 next_header;
	__u8 hop_limit;
};

/* Without padding, and not packed: clang would read a packed one byte by byte. */
struct pc_ip6_header {
	struct pc_ip6_start start;
	struct pc_address source;
	struct pc_address destination;
};

#define PC_IP6_SOURCE 8
#define PC_IP6_DESTINATION 24

struct pc_ports_header {
	__be16 source_be;
	__be16 destination_be;
};

struct pc_fragment_header {
	__u8 next_header;
	__u8 reserved;
	__be16 offset_be; /* in units of 8 bytes in the high 13 bits; 1: more follow */
	__be32 id_be;
};

static __always_inline __u16 pc_tcp_roles(__u8 tcp_flags)
{
	__u16 roles = PC_TCP;

	/* A SYN without ACK is never a reply, nothing else ever opens. */
	roles |= (tcp_flags & (PC_TCP_SYN | PC_TCP_ACK)) == PC_TCP_SYN ? PC_OPENS : PC_REPLIES;
	if (tcp_flags & (PC_TCP_FIN | PC_TCP_RST))
		roles |= PC_CLOSES;
	return roles;
}

/* The fast parsers return 1: parsed; 0: not one of the plain packets they are for. */
static __always_inline int pc_parse_fast_ports(struct __sk_buff *skb, struct pc_packet *p, __u32 header, __u32 length)
{
	struct pc_ports_header *ports = (void *)(long)skb->data + ETH_HLEN + header;
	void *end = (void *)(long)skb->data_end;

	/* A total length below the header wraps around to more than any packet has. */
	if (length > skb->len - ETH_HLEN - header)
		return 0;
	if (p->protocol == 6) {
		if (length < 20 || (void *)ports + 20 > end)
			return 0;
		p->roles = pc_tcp_roles(((__u8 *)ports)[13]);
	} else if (p->protocol == 17) {
		if (length < 8 || (void *)ports + 8 > end)
			return 0;
		p->roles = PC_OPENS | PC_REPLIES;
	} else {
		return 0;
	}
	p->source_port = bpf_ntohs(ports->source_be);
	p->destination_port = bpf_ntohs(ports->destination_be);
	return 1;
}

static __always_inline int pc_parse_fast4(struct __sk_buff *skb, struct pc_packet *p)
{
	struct pc_ip4_header *ip = (void *)(long)skb->data + ETH_HLEN;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->version_ihl != 0x45
	    || ip->fragment_be & bpf_htons(PC_IP4_OFFSET | PC_IP4_MORE))
		return 0;
	p->family = 4;
	p->protocol = ip->protocol;
	p->source.word[0] = ip->source_be;
	p->destination.word[0] = ip->destination_be;
	p->source.word[1] = p->destination.word[1] = 0;
	return pc_parse_fast_ports(skb, p, sizeof(*ip), bpf_ntohs(ip->total_length_be) - sizeof(*ip));
}

static __always_inline int pc_parse_fast6(struct __sk_buff *skb, struct pc_packet *p)
{
	struct pc_ip6_header *ip = (void *)(long)skb->data + ETH_HLEN;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end
	    || (ip->start.version_class_flow_be & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
		return 0;
	p->family = 6;
	p->protocol = ip->start.next_header;
	p->source = ip->source;
	p->destination = ip->destination;
	return pc_parse_fast_ports(skb, p, sizeof(*ip), bpf_ntohs(ip->start.payload_length_be));
}

/* Roles of an ICMP message that is of its packet's own family. */
static __always_inline __u32 pc_icmp_roles(__u32 family, __u8 type, __u32 hop_limit)
{
	if (family == 4)
		return type == 8 ? PC_OPENS : type == 0 ? PC_REPLIES
			: type == 3 || type == 11 || type == 12 ? PC_ICMP_ERROR : 0;
	if (type == 128)
		return PC_OPENS;
	if (type == 129)
		return PC_REPLIES;
	if (type < 128)
		return PC_ICMP_ERROR;
	if (type >= 133 && type <= 137)
		return hop_limit == 255 ? PC_NEIGHBOUR : 0;
	return ((type >= 130 && type <= 132) || type == 143) && hop_limit == 1 ? PC_NEIGHBOUR : 0;
}

/* What a transport header says, in one register, so that it can be the result of a function. 0: it is truncated. */
#define PC_TRANSPORT_READ (1ULL << 63)

static __always_inline __u64 pc_transport_result(__u32 roles, __u16 source_port, __u16 destination_port)
{
	return PC_TRANSPORT_READ | (__u64)roles << 32 | (__u32)source_port << 16 | destination_port;
}

static __always_inline void pc_note_transport(struct pc_packet *p, __u64 result)
{
	p->roles |= result >> 32;
	p->source_port = result >> 16;
	p->destination_port = result;
}

/* kind: protocol, family << 8, hop limit << 16. Not static: the verifier then follows its paths only once. */
__noinline __u64 pc_read_transport(struct __sk_buff *skb, __u32 offset, __u32 end, __u32 kind)
{
	__u32 protocol = kind & 0xff, family = kind >> 8 & 0xff, length, roles;
	__u8 header[20] = {};

	/* Of SCTP the common header and the first chunk's type; ICMP of the other family is just another protocol. */
	length = protocol == 6 ? 20 : protocol == 17 ? 8 : protocol == 132 ? 16
		: protocol == (family == 4 ? 1 : 58) ? 8 : 0;
	if (offset + length > end)
		return 0;
	switch (length) {
	case 20:
		if (bpf_skb_load_bytes(skb, offset, header, 20))
			return 0;
		roles = pc_tcp_roles(header[13]);
		break;
	case 16:
		if (bpf_skb_load_bytes(skb, offset, header, 16))
			return 0;
		/* INIT only opens. */
		roles = header[12] == 1 ? PC_OPENS : PC_OPENS | PC_REPLIES;
		break;
	case 8:
		if (bpf_skb_load_bytes(skb, offset, header, 8))
			return 0;
		if (protocol != 17)
			return pc_transport_result(pc_icmp_roles(family, header[0], kind >> 16 & 0xff),
						   header[4] << 8 | header[5], header[4] << 8 | header[5]);
		roles = PC_OPENS | PC_REPLIES;
		break;
	default:
		return pc_transport_result(PC_OPENS | PC_REPLIES, 0, 0);
	}
	return pc_transport_result(roles, header[0] << 8 | header[1], header[2] << 8 | header[3]);
}

static __always_inline int pc_parse_transport(struct __sk_buff *skb, struct pc_packet *p, __u32 offset, __u8 hop_limit)
{
	__u64 result = pc_read_transport(skb, offset, p->end, p->protocol | p->family << 8 | hop_limit << 16);

	p->transport_offset = offset;
	if (!result)
		return PC_REASON_TRUNCATED;
	pc_note_transport(p, result);
	return PC_PARSED;
}

/* Notes the fragment and says whether a transport header follows. */
static __always_inline int pc_parse_fragment(struct pc_packet *p, __u32 offset, __u32 more, __u32 id)
{
	p->fragment_id = id;
	if (offset)
		p->roles |= PC_LATER_FRAGMENT | (offset < PC_MIN_FRAGMENT_OFFSET ? PC_FIRST_FRAGMENT : 0);
	else if (more)
		p->roles |= PC_FIRST_FRAGMENT;
	return !offset;
}

static __always_inline int pc_parse4(struct __sk_buff *skb, struct pc_packet *p, __u32 offset)
{
	struct pc_ip4_header ip;
	__u32 header, total, fragment;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return PC_REASON_TRUNCATED;
	header = (ip.version_ihl & 0xf) * 4;
	if (ip.version_ihl >> 4 != 4 || header < sizeof(ip))
		return PC_REASON_MALFORMED;
	p->family = 4;
	p->source.word[0] = ip.source_be;
	p->destination.word[0] = ip.destination_be;
	p->protocol = ip.protocol;
	total = bpf_ntohs(ip.total_length_be);
	/* A GSO packet above 64 KB states no length. */
	if (!total && skb->gso_size)
		total = skb->len - offset;
	if (total < header)
		return PC_REASON_MALFORMED;
	p->end = offset + total;
	if (p->end > skb->len)
		return PC_REASON_TRUNCATED;
	fragment = bpf_ntohs(ip.fragment_be);
	if (!pc_parse_fragment(p, fragment & PC_IP4_OFFSET, fragment & PC_IP4_MORE, bpf_ntohs(ip.id_be)))
		return PC_PARSED;
	return pc_parse_transport(skb, p, offset + header, 0);
}

/* Where a walk over extension headers ended: the reason to drop the packet, or what comes next. */
#define PC_WALK_NEXT_SHIFT 8
#define PC_WALK_OFFSET_SHIFT 16
#define PC_WALK_COUNT_SHIFT 48

static __always_inline __u64 pc_walk_result(__u32 offset, __u32 next, __u32 count)
{
	return (__u64)count << PC_WALK_COUNT_SHIFT | (__u64)offset << PC_WALK_OFFSET_SHIFT | (next & 0xff) << PC_WALK_NEXT_SHIFT;
}

/*
 * Walks extension headers from offset on, after count others of which the last was a fragment's. Stops before the transport
 * header, and at the header of a fragment. Not static: verified once, for any arguments.
 */
__noinline __u64 pc_walk_extensions(struct __sk_buff *skb, __u32 offset, __u32 end, __u32 next, __u32 count)
{
	__u32 length, fragmented = count;
	__u8 header[8];

	for (int i = 0; i <= PC_MAX_EXTENSIONS + 1; i++) {
		if (count > PC_MAX_EXTENSIONS)
			break;
		if (next != 0 && next != 43 && next != 44 && next != 60)
			return pc_walk_result(offset, next, count);
		if (offset + sizeof(header) > end || bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
			return PC_REASON_TRUNCATED;
		length = (header[1] + 1) * 8;
		switch (next) {
		case 0:
			/* Hop-by-hop options come first or not at all (RFC 8200 4.1). */
			if (count)
				return PC_REASON_MALFORMED;
			break;
		case 43:
			/* Segments left: the packet is for somebody else than it says. */
			if (header[3])
				return PC_REASON_EXTENSION_HEADERS;
			break;
		case 44:
			if (fragmented)
				return PC_REASON_MALFORMED;
			if (header[2] || header[3] & 0xf9)
				return pc_walk_result(offset, next, count);
			/* The whole packet in one fragment (RFC 6946). */
			length = sizeof(header);
			break;
		}
		offset += length;
		/* What follows may be a protocol of whose header nothing is read. */
		if (offset > end)
			return PC_REASON_TRUNCATED;
		count++;
		next = header[0];
	}
	return PC_REASON_EXTENSION_HEADERS;
}

static __always_inline int pc_parse6(struct __sk_buff *skb, struct pc_packet *p, __u32 offset)
{
	struct pc_fragment_header fragment;
	struct pc_ip6_start ip;
	__u32 length, count;
	__u64 walk;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip))
	    || bpf_skb_load_bytes(skb, offset + PC_IP6_SOURCE, &p->source, sizeof(p->source))
	    || bpf_skb_load_bytes(skb, offset + PC_IP6_DESTINATION, &p->destination, sizeof(p->destination)))
		return PC_REASON_TRUNCATED;
	if ((ip.version_class_flow_be & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
		return PC_REASON_MALFORMED;
	p->family = 6;
	length = bpf_ntohs(ip.payload_length_be);
	offset += sizeof(struct pc_ip6_header);
	if (!length && skb->gso_size)
		length = skb->len - offset;
	p->end = offset + length;
	if (p->end > skb->len)
		return PC_REASON_TRUNCATED;
	walk = pc_walk_extensions(skb, offset, p->end, ip.next_header, 0);
	if (walk & 0xff)
		return walk & 0xff;
	if ((walk >> PC_WALK_NEXT_SHIFT & 0xff) == 44) {
		offset = walk >> PC_WALK_OFFSET_SHIFT;
		if (offset + sizeof(fragment) > p->end || bpf_skb_load_bytes(skb, offset, &fragment, sizeof(fragment)))
			return PC_REASON_TRUNCATED;
		length = bpf_ntohs(fragment.offset_be);
		count = (walk >> PC_WALK_COUNT_SHIFT) + 1;
		p->protocol = fragment.next_header;
		if (!pc_parse_fragment(p, length >> 3, length & 1, bpf_ntohl(fragment.id_be)))
			return PC_PARSED;
		walk = pc_walk_extensions(skb, offset + sizeof(fragment), p->end, fragment.next_header, count);
		if (walk & 0xff)
			return walk & 0xff;
	}
	p->protocol = walk >> PC_WALK_NEXT_SHIFT;
	return pc_parse_transport(skb, p, walk >> PC_WALK_OFFSET_SHIFT, ip.hop_limit);
}

/* Any frame. *p is zero before. */
static __always_inline int pc_parse(struct __sk_buff *skb, struct pc_packet *p)
{
	__be16 protocol;
	__u32 offset = ETH_HLEN;

	if (bpf_skb_load_bytes(skb, ETH_HLEN - 2, &protocol, sizeof(protocol)))
		return PC_REASON_TRUNCATED;
	if (skb->vlan_present)
		p->roles |= PC_TAGGED;
	for (int i = 0; i < PC_MAX_TAGS; i++) {
		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		p->roles |= PC_TAGGED;
		if (bpf_skb_load_bytes(skb, offset + 2, &protocol, sizeof(protocol)))
			return PC_REASON_TRUNCATED;
		offset += 4;
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return pc_parse4(skb, p, offset);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return pc_parse6(skb, p, offset);
	/* An interface without Ethernet header has something else where the type is: the kernel has to agree. */
	p->roles |= protocol == bpf_htons(ETH_P_ARP) && skb->protocol == protocol && !(p->roles & PC_TAGGED)
		? PC_NEIGHBOUR : PC_NOT_IP;
	return PC_PARSED;
}

/*
 * Walks what a quoted IPv6 packet has between its header and the transport header: returns that one's offset and, in the
 * lowest byte, its protocol; 0 when there is none. Only the first fragment has one, and a router that refuses a later
 * fragment refuses the first too. Not static: verified once, for any arguments.
 */
__noinline __u64 pc_skip_quoted_extensions(struct __sk_buff *skb, __u32 offset, __u8 next)
{
	__u8 header[8];

	for (int i = 0; i < PC_MAX_EXTENSIONS; i++) {
		if (next != 0 && next != 43 && next != 44 && next != 60)
			return (__u64)offset << 8 | next;
		if (bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
			return 0;
		if (next == 44) {
			if (header[2] || header[3] & 0xf8)
				return 0;
			offset += sizeof(header);
		} else {
			if (next == 43 && header[3])
				return 0;
			offset += (header[1] + 1) * 8;
		}
		next = header[0];
	}
	return 0;
}

/*
 * What the answer to a quoted packet would be, from the first 8 bytes of its transport header. 0: nothing is known of it.
 * kind: protocol, family << 8.
 */
__noinline __u64 pc_read_quoted_transport(struct __sk_buff *skb, __u32 offset, __u32 end, __u32 kind)
{
	__u32 protocol = kind & 0xff, family = kind >> 8;
	__u8 header[8];

	if (offset + sizeof(header) > end || bpf_skb_load_bytes(skb, offset, header, sizeof(header)))
		return 0;
	if (pc_transport_of(protocol) != PC_TRANSPORT_OTHER)
		return pc_transport_result(PC_REPLIES | (protocol == 6 ? PC_TCP : PC_OPENS),
					   header[2] << 8 | header[3], header[0] << 8 | header[1]);
	if (protocol != (family == 4 ? 1 : 58))
		return pc_transport_result(PC_REPLIES | PC_OPENS, 0, 0);
	/* Only an echo or its reply: there is no error about an error (RFC 1122 3.2.2). */
	if (family == 4 ? header[0] & ~8 : (header[0] & ~1) != 128)
		return 0;
	return pc_transport_result(header[0] == (family == 4 ? 8 : 128) ? PC_REPLIES : PC_OPENS,
				   header[4] << 8 | header[5], header[4] << 8 | header[5]);
}

/*
 * An ICMP error quotes the IP header of a packet and at least the first 8 bytes of what follows. *p, the error, becomes a
 * packet of the same flow the other way: the answer, which travels in the direction of the error. 0: that is not known, or
 * the packet was not between this end of the error and another.
 */
static __always_inline int pc_parse_quoted(struct __sk_buff *skb, struct pc_packet *p, __u32 direction)
{
	struct pc_address *local = direction == PC_INGRESS ? &p->destination : &p->source;
	struct pc_address *remote = direction == PC_INGRESS ? &p->source : &p->destination;
	__u32 offset = p->transport_offset + 8;
	__u64 transport;
	union {
		struct pc_ip4_header ip4;
		struct pc_ip6_start ip6;
		struct pc_address address;
	} u;

	if (p->family == 4) {
		if (bpf_skb_load_bytes(skb, offset, &u.ip4, sizeof(u.ip4)))
			return 0;
		if (u.ip4.version_ihl >> 4 != 4 || (u.ip4.version_ihl & 0xf) < 5
		    || u.ip4.fragment_be & bpf_htons(PC_IP4_OFFSET)
		    || (__u32)local->word[0] != (direction == PC_INGRESS ? u.ip4.source_be : u.ip4.destination_be))
			return 0;
		remote->word[0] = direction == PC_INGRESS ? u.ip4.destination_be : u.ip4.source_be;
		p->protocol = u.ip4.protocol;
		offset += (u.ip4.version_ihl & 0xf) * 4;
	} else {
		if (bpf_skb_load_bytes(skb, offset + (direction == PC_INGRESS ? PC_IP6_SOURCE : PC_IP6_DESTINATION), &u.address,
				       sizeof(u.address))
		    || !pc_same_address(&u.address, local)
		    || bpf_skb_load_bytes(skb, offset + (direction == PC_INGRESS ? PC_IP6_DESTINATION : PC_IP6_SOURCE), remote,
					  sizeof(*remote))
		    || bpf_skb_load_bytes(skb, offset, &u.ip6, sizeof(u.ip6)))
			return 0;
		if ((u.ip6.version_class_flow_be & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
			return 0;
		transport = pc_skip_quoted_extensions(skb, offset + sizeof(struct pc_ip6_header), u.ip6.next_header);
		if (!transport)
			return 0;
		p->protocol = transport;
		offset = transport >> 8;
	}
	transport = pc_read_quoted_transport(skb, offset, p->end, p->protocol | p->family << 8);
	p->roles = 0;
	pc_note_transport(p, transport);
	return transport != 0;
}

#endif
