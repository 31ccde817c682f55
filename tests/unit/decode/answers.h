/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers of QEMU 7.2 to a VM with a virtio-blk drive and a SCSI disk on -blockdev. */
#pragma once

/* query-blockstats */
static const char answer_blockstats[] =
	"[{\"device\": \"virtio0\", \"parent\": {\"stats\": {\"unmap_operations\": 0, "
	"\"unmap_merged\": 0, \"flush_total_time_ns\": 0, \"wr_highest_offset\": 0, "
	"\"wr_total_time_ns\": 0, \"failed_wr_operations\": 0, \"failed_rd_operations\": 0, "
	"\"wr_merged\": 0, \"wr_bytes\": 0, \"timed_stats\": [], \"failed_unmap_operations\": 0, "
	"\"failed_flush_operations\": 0, \"account_invalid\": false, \"rd_total_time_ns\": 0, "
	"\"invalid_unmap_operations\": 0, \"flush_operations\": 0, \"wr_operations\": 0, "
	"\"unmap_bytes\": 0, \"rd_merged\": 0, \"rd_bytes\": 0, \"unmap_total_time_ns\": 0, "
	"\"invalid_flush_operations\": 0, \"account_failed\": false, \"rd_operations\": 0, "
	"\"invalid_wr_operations\": 0, \"invalid_rd_operations\": 0}, \"node-name\": "
	"\"#block004\", \"driver-specific\": {\"discard-bytes-ok\": 0, \"discard-nb-ok\": 0, "
	"\"driver\": \"file\", \"discard-nb-failed\": 0}}, \"stats\": {\"unmap_operations\": 0, "
	"\"unmap_merged\": 0, \"flush_total_time_ns\": 0, \"wr_highest_offset\": 0, "
	"\"wr_total_time_ns\": 0, \"failed_wr_operations\": 0, \"failed_rd_operations\": 0, "
	"\"wr_merged\": 0, \"wr_bytes\": 0, \"timed_stats\": [], \"failed_unmap_operations\": 0, "
	"\"failed_flush_operations\": 0, \"account_invalid\": true, \"rd_total_time_ns\": 0, "
	"\"invalid_unmap_operations\": 0, \"flush_operations\": 0, \"wr_operations\": 0, "
	"\"unmap_bytes\": 0, \"rd_merged\": 0, \"rd_bytes\": 0, \"unmap_total_time_ns\": 0, "
	"\"invalid_flush_operations\": 0, \"account_failed\": true, \"rd_operations\": 0, "
	"\"invalid_wr_operations\": 0, \"invalid_rd_operations\": 0}, \"node-name\": "
	"\"#block192\", \"qdev\": \"/machine/peripheral-anon/device[1]/virtio-backend\"}, "
	"{\"device\": \"\", \"stats\": {\"unmap_operations\": 0, \"unmap_merged\": 0, "
	"\"flush_total_time_ns\": 0, \"wr_highest_offset\": 0, \"wr_total_time_ns\": 0, "
	"\"failed_wr_operations\": 0, \"failed_rd_operations\": 0, \"wr_merged\": 0, "
	"\"wr_bytes\": 0, \"timed_stats\": [], \"failed_unmap_operations\": 0, "
	"\"failed_flush_operations\": 0, \"account_invalid\": true, \"rd_total_time_ns\": 0, "
	"\"invalid_unmap_operations\": 0, \"flush_operations\": 0, \"wr_operations\": 0, "
	"\"unmap_bytes\": 0, \"rd_merged\": 0, \"rd_bytes\": 0, \"unmap_total_time_ns\": 0, "
	"\"invalid_flush_operations\": 0, \"account_failed\": true, \"rd_operations\": 0, "
	"\"invalid_wr_operations\": 0, \"invalid_rd_operations\": 0}, \"node-name\": \"nul\", "
	"\"qdev\": \"sd\"}]";

/* query-block */
static const char answer_block[] =
	"[{\"io-status\": \"ok\", \"device\": \"virtio0\", \"locked\": false, \"removable\": "
	"false, \"inserted\": {\"iops_rd\": 0, \"detect_zeroes\": \"off\", \"image\": "
	"{\"virtual-size\": 1048576, \"filename\": \"/tmp/decode/disk.img\", \"format\": "
	"\"raw\", \"actual-size\": 0, \"dirty-flag\": false}, \"iops_wr\": 0, \"ro\": false, "
	"\"node-name\": \"#block192\", \"backing_file_depth\": 0, \"drv\": \"raw\", \"iops\": 0, "
	"\"bps_wr\": 0, \"write_threshold\": 0, \"encrypted\": false, \"bps\": 0, \"bps_rd\": 0, "
	"\"cache\": {\"no-flush\": false, \"direct\": false, \"writeback\": true}, \"file\": "
	"\"/tmp/decode/disk.img\"}, \"qdev\": "
	"\"/machine/peripheral-anon/device[1]/virtio-backend\", \"type\": \"unknown\"}, "
	"{\"io-status\": \"ok\", \"device\": \"\", \"locked\": false, \"removable\": false, "
	"\"inserted\": {\"iops_rd\": 0, \"detect_zeroes\": \"off\", \"image\": "
	"{\"virtual-size\": 1073741824, \"filename\": \"null-co://\", \"format\": \"null-co\", "
	"\"actual-size\": 0}, \"iops_wr\": 0, \"ro\": false, \"node-name\": \"nul\", "
	"\"backing_file_depth\": 0, \"drv\": \"null-co\", \"iops\": 0, \"bps_wr\": 0, "
	"\"write_threshold\": 0, \"encrypted\": false, \"bps\": 0, \"bps_rd\": 0, \"cache\": "
	"{\"no-flush\": false, \"direct\": false, \"writeback\": true}, \"file\": "
	"\"null-co://\"}, \"qdev\": \"sd\", \"type\": \"unknown\"}]";

/* query-cpus-fast */
static const char answer_cpus_fast[] =
	"[{\"thread-id\": 20654, \"props\": {\"core-id\": 0, \"thread-id\": 0, \"socket-id\": "
	"0}, \"qom-path\": \"/machine/unattached/device[0]\", \"cpu-index\": 0, \"target\": "
	"\"x86_64\"}, {\"thread-id\": 20655, \"props\": {\"core-id\": 1, \"thread-id\": 0, "
	"\"socket-id\": 0}, \"qom-path\": \"/machine/unattached/device[2]\", \"cpu-index\": 1, "
	"\"target\": \"x86_64\"}]";

/* query-stats of the vCPUs, some of its counters */
static const char answer_stats_vcpu[] =
	"[{\"provider\": \"kvm\", \"stats\": [{\"name\": \"guest_mode\", \"value\": false}, "
	"{\"name\": \"fpu_reload\", \"value\": 4}, {\"name\": \"halt_exits\", \"value\": 0}, "
	"{\"name\": \"signal_exits\", \"value\": 3}, {\"name\": \"exits\", \"value\": 0}, "
	"{\"name\": \"blocking\", \"value\": false}, {\"name\": \"halt_wait_hist\", \"value\": "
	"[0, 0, 0, 0]}], \"qom-path\": \"/machine/unattached/device[2]\"}, {\"provider\": "
	"\"kvm\", \"stats\": [{\"name\": \"guest_mode\", \"value\": false}, {\"name\": "
	"\"fpu_reload\", \"value\": 3}, {\"name\": \"halt_exits\", \"value\": 0}, {\"name\": "
	"\"signal_exits\", \"value\": 2}, {\"name\": \"exits\", \"value\": 2124}, {\"name\": "
	"\"blocking\", \"value\": false}, {\"name\": \"halt_wait_hist\", \"value\": [0, 0, 0, "
	"0]}], \"qom-path\": \"/machine/unattached/device[0]\"}]";
