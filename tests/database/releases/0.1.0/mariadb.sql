CREATE TABLE `attempts` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `counter_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `expires_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `ix_attempts_expires_at` (`expires_at`),
  KEY `ix_attempts_counter` (`counter_sha256`,`expires_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `audit_entries` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `at` bigint(20) NOT NULL,
  `action` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `subject_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `address` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `request_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `detail` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (`id`),
  KEY `ix_audit_entries_subject_id` (`subject_id`,`id`),
  KEY `ix_audit_entries_at` (`at`),
  KEY `ix_audit_entries_user_id` (`user_id`,`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `invitations` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `code_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_by` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `used_by` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  `expires_at` bigint(20) NOT NULL,
  `used_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `code_sha256` (`code_sha256`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `periodic_tasks` (
  `name` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `due_at` bigint(20) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `secrets` (
  `name` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `secret` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_at` bigint(20) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `signing_keys` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `private_pem` longtext NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `retires_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `users` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `username` varchar(255) NOT NULL,
  `username_key` varchar(255) NOT NULL,
  `email` varchar(255) DEFAULT NULL,
  `email_verified_at` bigint(20) DEFAULT NULL,
  `password_hash` varchar(255) DEFAULT NULL,
  `email_notifications` tinyint(1) NOT NULL DEFAULT 1,
  `role` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `disabled_at` bigint(20) DEFAULT NULL,
  `deleted_at` bigint(20) DEFAULT NULL,
  `virtual_start` bigint(20) NOT NULL DEFAULT 0,
  `virtual_finish` bigint(20) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  UNIQUE KEY `username_key` (`username_key`),
  KEY `ix_users_virtual_start` (`virtual_start`),
  KEY `ix_users_virtual_finish` (`virtual_finish`),
  KEY `ix_users_deleted_at` (`deleted_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `workers` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `host` varchar(255) NOT NULL,
  `slots` smallint(6) NOT NULL,
  `draining` tinyint(1) NOT NULL DEFAULT 0,
  `drain_requested` tinyint(1) NOT NULL DEFAULT 0,
  `started_at` bigint(20) NOT NULL,
  `heartbeat_at` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `ix_workers_heartbeat_at` (`heartbeat_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `api_keys` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `name` varchar(255) NOT NULL,
  `scopes` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `secret_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `hint` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `expires_at` bigint(20) DEFAULT NULL,
  `last_used_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `secret_sha256` (`secret_sha256`),
  KEY `ix_api_keys_user` (`user_id`,`id`),
  CONSTRAINT `api_keys_ibfk_1` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `batches` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `tag` varchar(255) DEFAULT NULL,
  `idempotency_key` varchar(255) DEFAULT NULL,
  `request_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `webhook_url` longtext DEFAULT NULL,
  `webhook_secret` varchar(255) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  `ended_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uq_batches_idempotency` (`user_id`,`idempotency_key`),
  KEY `ix_batches_user_ended` (`user_id`,`ended_at`,`id`),
  KEY `ix_batches_ended` (`ended_at`,`id`),
  KEY `ix_batches_user` (`user_id`,`id`),
  CONSTRAINT `batches_ibfk_1` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `destinations` (
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `host` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `failures` smallint(6) NOT NULL,
  `not_before` bigint(20) NOT NULL,
  PRIMARY KEY (`user_id`,`host`),
  CONSTRAINT `destinations_ibfk_1` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `one_time_tokens` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `kind` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `email` varchar(255) DEFAULT NULL,
  `secret_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `state` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `attempts` smallint(6) NOT NULL,
  `not_before` bigint(20) NOT NULL,
  `lease_until` bigint(20) DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  `expires_at` bigint(20) NOT NULL,
  `sent_at` bigint(20) DEFAULT NULL,
  `used_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `secret_sha256` (`secret_sha256`),
  KEY `ix_one_time_tokens_user_id` (`user_id`),
  KEY `ix_one_time_tokens_expires_at` (`expires_at`),
  KEY `ix_one_time_tokens_due` (`state`,`not_before`),
  CONSTRAINT `one_time_tokens_ibfk_1` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `sign_ins` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `kind` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `family` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `secret_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `expires_at` bigint(20) NOT NULL,
  `used_at` bigint(20) DEFAULT NULL,
  `ended_at` bigint(20) DEFAULT NULL,
  `user_agent` varchar(255) DEFAULT NULL,
  `address` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `last_used_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `secret_sha256` (`secret_sha256`),
  KEY `ix_sign_ins_expires_at` (`expires_at`),
  KEY `ix_sign_ins_family` (`family`),
  KEY `ix_sign_ins_user_id` (`user_id`),
  CONSTRAINT `sign_ins_ibfk_1` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `uploads` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `name` varchar(255) NOT NULL,
  `state` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `size_bytes` bigint(20) DEFAULT NULL,
  `received_bytes` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `expires_at` bigint(20) NOT NULL,
  `tus_metadata` longtext DEFAULT NULL,
  `active_at` bigint(20) NOT NULL DEFAULT 0,
  `stalls` smallint(6) NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  KEY `ix_uploads_expires_at` (`expires_at`),
  KEY `ix_uploads_user_id` (`user_id`),
  CONSTRAINT `uploads_ibfk_1` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `jobs` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `upload_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `batch_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `cover_upload_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `source_url` longtext DEFAULT NULL,
  `result_url` longtext DEFAULT NULL,
  `source_name` varchar(255) NOT NULL,
  `source_size_bytes` bigint(20) NOT NULL,
  `source_duration_s` double DEFAULT NULL,
  `options` longtext NOT NULL CHECK (json_valid(`options`)),
  `tag` varchar(255) DEFAULT NULL,
  `email_notifications` tinyint(1) NOT NULL DEFAULT 1,
  `idempotency_key` varchar(255) DEFAULT NULL,
  `request_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `request_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `traceparent` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `state` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `blocked_reason` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `priority` smallint(6) NOT NULL,
  `transfer` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `fetched_bytes` bigint(20) DEFAULT NULL,
  `fence` bigint(20) NOT NULL,
  `failures` smallint(6) NOT NULL,
  `lost_leases` smallint(6) NOT NULL,
  `lease_owner` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `lease_until` bigint(20) DEFAULT NULL,
  `not_before` bigint(20) NOT NULL,
  `announced_until` bigint(20) NOT NULL,
  `cancel_requested` tinyint(1) NOT NULL DEFAULT 0,
  `percent` smallint(6) NOT NULL,
  `done_s` double NOT NULL,
  `result_key` varchar(255) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `result_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `result_checksums` mediumblob DEFAULT NULL,
  `result_size_bytes` bigint(20) DEFAULT NULL,
  `result_duration_s` double DEFAULT NULL,
  `report` longtext DEFAULT NULL CHECK (json_valid(`report`)),
  `link_serial` int(11) NOT NULL DEFAULT 0,
  `error_code` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `error_detail` longtext DEFAULT NULL,
  `created_at` bigint(20) NOT NULL,
  `started_at` bigint(20) DEFAULT NULL,
  `ended_at` bigint(20) DEFAULT NULL,
  `expires_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uq_jobs_idempotency` (`user_id`,`idempotency_key`),
  KEY `ix_jobs_user` (`user_id`,`id`),
  KEY `ix_jobs_batch_id` (`batch_id`),
  KEY `ix_jobs_user_ended` (`user_id`,`ended_at`,`id`),
  KEY `ix_jobs_cover_upload_id` (`cover_upload_id`),
  KEY `ix_jobs_user_state` (`user_id`,`state`,`expires_at`,`result_size_bytes`),
  KEY `ix_jobs_expiry` (`expires_at`),
  KEY `ix_jobs_announced` (`state`,`announced_until`),
  KEY `ix_jobs_lease` (`state`,`lease_until`),
  KEY `ix_jobs_schedule` (`state`,`user_id`,`priority`,`id`),
  KEY `ix_jobs_transfer` (`transfer`,`user_id`,`not_before`,`id`),
  KEY `ix_jobs_upload_id` (`upload_id`),
  CONSTRAINT `jobs_ibfk_1` FOREIGN KEY (`upload_id`) REFERENCES `uploads` (`id`) ON DELETE SET NULL,
  CONSTRAINT `jobs_ibfk_2` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `upload_chunks` (
  `upload_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `offset_bytes` bigint(20) NOT NULL,
  `size_bytes` bigint(20) NOT NULL,
  `storage_key` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `checksums` mediumblob NOT NULL,
  PRIMARY KEY (`upload_id`,`offset_bytes`),
  CONSTRAINT `upload_chunks_ibfk_1` FOREIGN KEY (`upload_id`) REFERENCES `uploads` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `notifications` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `job_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `kind` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `target` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `destination` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  `state` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `attempts` smallint(6) NOT NULL,
  `not_before` bigint(20) NOT NULL,
  `announced_until` bigint(20) NOT NULL,
  `lease_until` bigint(20) DEFAULT NULL,
  `expires_at` bigint(20) NOT NULL,
  `created_at` bigint(20) NOT NULL,
  `sent_at` bigint(20) DEFAULT NULL,
  `status` smallint(6) DEFAULT NULL,
  `problem` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uq_notifications_job_target` (`job_id`,`kind`,`target`),
  KEY `ix_notifications_announced` (`state`,`announced_until`),
  KEY `ix_notifications_turns` (`state`,`user_id`,`destination`,`not_before`,`announced_until`,`id`,`job_id`),
  KEY `ix_notifications_target` (`target`,`id`),
  CONSTRAINT `notifications_ibfk_1` FOREIGN KEY (`job_id`) REFERENCES `jobs` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `waveforms` (
  `job_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `segment` int(11) NOT NULL,
  `step_s` double NOT NULL,
  `duration_s` double NOT NULL,
  `peaks` blob NOT NULL,
  PRIMARY KEY (`job_id`,`segment`),
  CONSTRAINT `waveforms_ibfk_1` FOREIGN KEY (`job_id`) REFERENCES `jobs` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `webhooks` (
  `id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `job_id` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `url` longtext NOT NULL,
  `secret` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `events` longtext NOT NULL CHECK (json_valid(`events`)),
  `created_at` bigint(20) NOT NULL,
  `disabled_at` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `ix_webhooks_job_id` (`job_id`),
  KEY `ix_webhooks_user` (`user_id`,`job_id`,`id`),
  CONSTRAINT `webhooks_ibfk_1` FOREIGN KEY (`job_id`) REFERENCES `jobs` (`id`) ON DELETE CASCADE,
  CONSTRAINT `webhooks_ibfk_2` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE TABLE `alembic_version` (
  `version_num` varchar(32) NOT NULL,
  PRIMARY KEY (`version_num`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
INSERT INTO alembic_version (version_num) VALUES ('0001');
