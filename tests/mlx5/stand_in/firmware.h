/*
 * Where the fields of firmware commands lie, and what this NIC answers to QUERY_HCA_CAP. Bit offsets are those of the
 * layouts in DPDK's drivers/common/mlx5/mlx5_prm.h (22.11). $STAND_IN_CAPS="name=value,..." goes before the table.
 */
#ifndef FIRMWARE_H
#define FIRMWARE_H
#include <stdint.h>

struct capability {
	uint16_t op_mod;
	uint32_t bit;
	uint8_t bits;
	uint64_t value;
	const char *name;
};

static const struct capability capabilities[] = {
	/* 0x01: general: what the device is; without eth_net_offloads nothing more is asked. */
	{0x01,    32,  1,          1, "hca_cap_2"},
	{0x01,   656, 16,       1024, "max_wqe_sz_sq"},
	{0x01,   784,  8,        255, "flow_counter_bulk_alloc"},
	{0x01,   865,  1,          1, "flow_counters_dump"},
	{0x01,   899,  5,         23, "log_max_rmp"},
	{0x01,   898,  1,          1, "mem_rq_rmp"},
	{0x01,   915,  5,         11, "log_max_rqt_size"},
	{0x01,   423,  1,          0, "eswitch_manager"},
	{0x01,    48, 16,          1, "vhca_id"},
	{0x01,   232,  1,          1, "relaxed_ordering_write"},
	{0x01,   233,  1,          1, "relaxed_ordering_read"},
	{0x01,   540,  1,          1, "eth_net_offloads"},
	{0x01,  1344, 32,          0, "flex_parser_protocols"},
	{0x01,   539,  1,          1, "qos"},
	{0x01,   541,  1,          0, "roce"},
	{0x01,  1090,  2,          2, "rq_ts_format"},
	{0x01,  1088,  2,          2, "sq_ts_format"},
	{0x01,  1092,  4,          1, "steering_format_version"},
	{0x01,  1248, 32,    1000000, "device_frequency_khz"},
	{0x01,  1024, 64,          0, "general_obj_types"},
	{0x01,   219,  5,         24, "log_max_cq"},
	{0x01,   155,  5,         18, "log_max_qp"},
	{0x01,   200,  8,         22, "log_max_cq_sz"},
	{0x01,   136,  8,         15, "log_max_qp_sz"},
	{0x01,   987,  5,         15, "log_max_wq_sz"},
	{0x01,   265,  7,         63, "log_max_mrw_sz"},
	{0x01,   811,  5,         24, "log_max_pd"},
	{0x01,   171,  5,         23, "log_max_srq"},
	{0x01,   128,  8,         15, "log_max_srq_sz"},
	{0x01,   169,  1,          1, "reg_c_preserve"},
	{0x01,  1471,  1,          1, "cqe_compression"},
	{0x01,   422,  1,          1, "nic_flow_table"},
	{0x01,   848, 16,      65535, "max_flow_counter_15_0"},
	{0x01,   704, 16,        255, "max_flow_counter_31_16"},
	{0x01,     1,  1,          1, "alloc_flow_counter_pd"},
	{0x01,     2,  1,          1, "flow_counter_access_aso"},
	{0x01,     8,  8,          8, "flow_access_aso_opc_mod"},
	{0x01,   507,  1,          1, "wqe_based_flow_table_update_cap"},
	{0x01,  1984, 64, 2305843009213693952, "match_definer_format_supported"},
	{0x01,  1900,  4,          0, "log_header_modify_argument_granularity"},
	{0x01,  1907,  5,         20, "log_header_modify_argument_max_alloc"},
	/* 0x41: general, second page: asked because hca_cap_2 says so. */
	{0x41,   195,  5,         14, "log_min_stride_wqe_sz"},
	{0x41,   595,  5,         14, "flow_counter_bulk_log_max_alloc"},
	{0x41,   603,  5,          0, "flow_counter_bulk_log_granularity"},
	/* 0x19: QoS: meters, off here (on a card usually on). */
	{0x19,     7,  1,          0, "flow_meter_old"},
	{0x19,    16,  8,          0, "log_max_flow_meter"},
	{0x19,    24,  8,          0, "flow_meter_reg_id"},
	{0x19,    40,  1,          0, "flow_meter"},
	/* 0x0f: NIC steering: which fields can be matched and set; metadata_reg_c_x both ways is what tags need. */
	{0x0f,   584,  8,          0, "flow_table_properties_nic_receive.log_max_ft_sampler_num"},
	{0x0f,   568,  8,         64, "flow_table_properties_nic_receive.max_ft_level"},
	{0x0f,   618,  1,          1, "flow_table_properties_nic_receive.reparse"},
	{0x0f,  5136,  1,          1, "ft_field_support_2_nic_receive.tunnel_header_0_1"},
	{0x0f,  5135,  1,          1, "ft_field_support_2_nic_receive.tunnel_header_2_3"},
	{0x0f,  4112,  1,          1, "ft_header_modify_nic_receive.outer_ip_ecn"},
	{0x0f,  4216,  8,        255, "ft_header_modify_nic_receive.metadata_reg_c_x"},
	{0x0f,  7288,  8,        255, "ft_header_modify_nic_transmit.metadata_reg_c_x"},
	/* 0x03: Ethernet: offloads of the queues. */
	{0x03,     0,  1,          1, "csum_cap"},
	{0x03,     1,  1,          1, "vlan_cap"},
	{0x03,    11,  5,         18, "max_lso_cap"},
	{0x03,    25,  1,          1, "scatter_fcs"},
	{0x03,     7,  1,          1, "wqe_vlan_insert"},
	{0x03,    18,  2,          2, "wqe_inline_mode"},
	{0x03,    20,  4,          9, "rss_ind_tbl_cap"},
	{0x03,    32,  1,          1, "swp"},
	{0x03,    33,  1,          1, "swp_csum"},
	{0x03,    34,  1,          1, "swp_lso"},
	{0x03,    30,  1,          1, "tunnel_stateless_gre"},
	{0x03,    31,  1,          1, "tunnel_stateless_vxlan"},
	/* 0x13: E-Switch: its manager's vport. */
	{0x13,    96,  1,          1, "esw_manager_vport_number_valid"},
	{0x13,   112, 16,          0, "esw_manager_vport_number"},
	/* 0x11: FDB steering: tables, and registers that rules of the E-Switch can set. */
	{0x11,   568,  8,         64, "flow_table_properties_nic_receive.max_ft_level"},
	{0x11,   618,  1,          1, "flow_table_properties_nic_receive.reparse"},
	{0x11,  2168,  8,        255, "ft_header_modify_esw_fdb.metadata_reg_c_x"},
	/* 0x37: tables that are updated by work requests: what dv_flow_en=2 needs. */
	{0x37,    75,  5,         31, "rtc_reparse_mode"},
	{0x37,   112, 16,         63, "ste_format"},
	{0x37,    83,  5,         31, "rtc_index_mode"},
	{0x37,    91,  5,         16, "rtc_log_depth_max"},
	{0x37,    59,  5,         27, "ste_alloc_log_max"},
	{0x37,    51,  5,          0, "ste_alloc_log_granularity"},
	{0x37,    43,  5,         20, "stc_alloc_log_max"},
	{0x37,    35,  5,          0, "stc_alloc_log_granularity"},
	{0x37,   288, 32,          7, "trivial_match_definer"},
};

enum {
	BIT_query_hca_cap_in_op_mod = 48,
	BIT_query_hca_cap_out_capability = 128,
	BIT_alloc_flow_counter_in_flow_counter_bulk = 120,
	BIT_alloc_flow_counter_in_flow_counter_bulk_log_size = 115,
	BIT_query_flow_counter_in_flow_counter_id = 224,
	BIT_query_flow_counter_in_num_of_counters = 194,
	BIT_query_flow_counter_in_dump_to_memory = 193,
	BIT_query_flow_counter_in_address = 128,
	BIT_query_flow_counter_out_flow_statistics = 128,
	BIT_traffic_counter_packets = 0,
	BIT_traffic_counter_octets = 64,
	BIT_general_obj_out_cmd_hdr_obj_id = 64,
	BIT_create_sq_in_ctx_cqn = 328,
	BIT_create_sq_in_ctx_wq_log_wq_sz = 923,
	BIT_create_sq_in_ctx_wq_dbr_umem_id = 960,
	BIT_create_sq_in_ctx_wq_dbr_addr = 768,
	BIT_create_sq_in_ctx_wq_wq_umem_id = 992,
	BIT_create_sq_in_ctx_wq_wq_umem_offset = 1024,
	BIT_create_cq_in_cq_context_log_cq_size = 227,
	BIT_create_cq_in_cq_context_cqe_sz = 136,
	BIT_create_cq_in_cq_umem_id = 704,
	BIT_create_cq_in_cq_umem_offset = 640,
	BIT_general_obj_in_cmd_hdr_obj_type = 48,
	BIT_general_obj_in_cmd_hdr_log_obj_range = 99,
	/* general_obj_in_cmd_hdr, 128 bits, stands before what follows. */
	BIT_general_obj_in_cmd_hdr_obj_id = 64,
	BIT_general_obj_in_cmd_hdr_obj_offset = 96,
	BIT_create_stc_in_action_type = 280,
	BIT_create_stc_in_param = 384,
	BIT_create_rtc_in_ste_format = 320,
	BIT_create_rtc_in_table_type = 328,
	BIT_create_rtc_in_match_definer_id = 352,
	BIT_create_rtc_in_stc_id = 384,
	BIT_create_rtc_in_miss_flow_table_id = 488,
	/* Selectors come four by four, the last of the four first; after eight words a ninth stands alone. */
	BIT_create_definer_in_select_dw = 384,
	BIT_create_definer_in_select_dw8 = 472,
	BIT_create_definer_in_select_byte = 512,
	BIT_create_definer_in_match_mask = 800,
	BIT_create_flow_table_in_table_type = 128,
	BIT_modify_flow_table_in_table_id = 168,
	BIT_modify_flow_table_in_rtc_id_0 = 384,
	BIT_modify_flow_table_in_rtc_id_1 = 416,
};

enum opcode {
	OP_QUERY_HCA_CAP = 0x100,
	OP_CREATE_CQ = 0x400,
	OP_CREATE_SQ = 0x904,
	OP_CREATE_FLOW_TABLE = 0x930,
	OP_MODIFY_FLOW_TABLE = 0x93c,
	OP_ALLOC_FLOW_COUNTER = 0x939,
	OP_QUERY_FLOW_COUNTER = 0x93b,
	OP_CREATE_GENERAL_OBJECT = 0xa00,
	OP_MODIFY_GENERAL_OBJECT = 0xa01,
};
enum object_type { OBJ_DEFINER = 0x18, OBJ_STC = 0x40, OBJ_RTC = 0x41 };
#endif
