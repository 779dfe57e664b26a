CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE attempts (
	id VARCHAR(32) NOT NULL,
	counter_sha256 VARCHAR(64) NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_attempts_counter ON attempts (counter_sha256, expires_at);
CREATE INDEX ix_attempts_expires_at ON attempts (expires_at);
CREATE TABLE audit_entries (
	id VARCHAR(32) NOT NULL,
	at BIGINT NOT NULL,
	action VARCHAR(32) NOT NULL,
	user_id VARCHAR(32),
	subject_id VARCHAR(32),
	address VARCHAR(64),
	request_id VARCHAR(64),
	detail VARCHAR(32) NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_audit_entries_subject_id ON audit_entries (subject_id, id);
CREATE INDEX ix_audit_entries_user_id ON audit_entries (user_id, id);
CREATE INDEX ix_audit_entries_at ON audit_entries (at);
CREATE TABLE invitations (
	id VARCHAR(32) NOT NULL,
	code_sha256 VARCHAR(64) NOT NULL,
	created_by VARCHAR(32),
	used_by VARCHAR(32),
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT,
	PRIMARY KEY (id),
	UNIQUE (code_sha256)
);
CREATE TABLE periodic_tasks (
	name VARCHAR(32) NOT NULL,
	due_at BIGINT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE secrets (
	name VARCHAR(32) NOT NULL,
	secret VARCHAR(64) NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE signing_keys (
	id VARCHAR(32) NOT NULL,
	private_pem TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	retires_at BIGINT,
	PRIMARY KEY (id)
);
CREATE TABLE users (
	id VARCHAR(32) NOT NULL,
	username VARCHAR(255) NOT NULL,
	username_key VARCHAR(255) NOT NULL,
	email VARCHAR(255),
	email_verified_at BIGINT,
	password_hash VARCHAR(255),
	email_notifications BOOLEAN DEFAULT 1 NOT NULL,
	role VARCHAR(32) NOT NULL,
	created_at BIGINT NOT NULL,
	disabled_at BIGINT,
	deleted_at BIGINT,
	virtual_start BIGINT DEFAULT '0' NOT NULL,
	virtual_finish BIGINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (username_key)
);
CREATE INDEX ix_users_virtual_start ON users (virtual_start);
CREATE INDEX ix_users_deleted_at ON users (deleted_at);
CREATE INDEX ix_users_virtual_finish ON users (virtual_finish);
CREATE TABLE workers (
	id VARCHAR(32) NOT NULL,
	host VARCHAR(255) NOT NULL,
	slots SMALLINT NOT NULL,
	draining BOOLEAN DEFAULT 0 NOT NULL,
	drain_requested BOOLEAN DEFAULT 0 NOT NULL,
	started_at BIGINT NOT NULL,
	heartbeat_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE INDEX ix_workers_heartbeat_at ON workers (heartbeat_at);
CREATE TABLE api_keys (
	id VARCHAR(32) NOT NULL,
	user_id VARCHAR(32) NOT NULL,
	name VARCHAR(255) NOT NULL,
	scopes VARCHAR(64) NOT NULL,
	secret_sha256 VARCHAR(64) NOT NULL,
	hint VARCHAR(32) NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	last_used_at BIGINT,
	PRIMARY KEY (id),
	FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	UNIQUE (secret_sha256)
);
CREATE INDEX ix_api_keys_user ON api_keys (user_id, id);
CREATE TABLE batches (
	id VARCHAR(32) NOT NULL,
	user_id VARCHAR(32) NOT NULL,
	tag VARCHAR(255),
	idempotency_key VARCHAR(255),
	request_sha256 VARCHAR(64),
	webhook_url TEXT,
	webhook_secret VARCHAR(255),
	created_at BIGINT NOT NULL,
	ended_at BIGINT,
	PRIMARY KEY (id),
	FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT uq_batches_idempotency UNIQUE (user_id, idempotency_key)
);
CREATE INDEX ix_batches_ended ON batches (ended_at, id);
CREATE INDEX ix_batches_user_ended ON batches (user_id, ended_at, id);
CREATE INDEX ix_batches_user ON batches (user_id, id);
CREATE TABLE one_time_tokens (
	id VARCHAR(32) NOT NULL,
	user_id VARCHAR(32),
	kind VARCHAR(32) NOT NULL,
	email VARCHAR(255),
	secret_sha256 VARCHAR(64),
	state VARCHAR(32) NOT NULL,
	attempts SMALLINT NOT NULL,
	not_before BIGINT NOT NULL,
	lease_until BIGINT,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	sent_at BIGINT,
	used_at BIGINT,
	PRIMARY KEY (id),
	FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	UNIQUE (secret_sha256)
);
CREATE INDEX ix_one_time_tokens_user_id ON one_time_tokens (user_id);
CREATE INDEX ix_one_time_tokens_expires_at ON one_time_tokens (expires_at);
CREATE INDEX ix_one_time_tokens_due ON one_time_tokens (state, not_before);
CREATE TABLE sign_ins (
	id VARCHAR(32) NOT NULL,
	user_id VARCHAR(32) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	family VARCHAR(32) NOT NULL,
	secret_sha256 VARCHAR(64) NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT,
	ended_at BIGINT,
	user_agent VARCHAR(255),
	address VARCHAR(64),
	last_used_at BIGINT,
	PRIMARY KEY (id),
	FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	UNIQUE (secret_sha256)
);
CREATE INDEX ix_sign_ins_user_id ON sign_ins (user_id);
CREATE INDEX ix_sign_ins_expires_at ON sign_ins (expires_at);
CREATE INDEX ix_sign_ins_family ON sign_ins (family);
CREATE TABLE uploads (
	id VARCHAR(32) NOT NULL,
	user_id VARCHAR(32) NOT NULL,
	name VARCHAR(255) NOT NULL,
	state VARCHAR(32) NOT NULL,
	size_bytes BIGINT,
	received_bytes BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	tus_metadata TEXT,
	active_at BIGINT DEFAULT '0' NOT NULL,
	stalls SMALLINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_uploads_expires_at ON uploads (expires_at);
CREATE INDEX ix_uploads_user_id ON uploads (user_id);
CREATE TABLE jobs (
	id VARCHAR(32) NOT NULL,
	user_id VARCHAR(32) NOT NULL,
	upload_id VARCHAR(32),
	batch_id VARCHAR(32),
	cover_upload_id VARCHAR(32),
	source_url TEXT,
	result_url TEXT,
	source_name VARCHAR(255) NOT NULL,
	source_size_bytes BIGINT NOT NULL,
	source_duration_s DOUBLE,
	options JSON NOT NULL,
	tag VARCHAR(255),
	email_notifications BOOLEAN DEFAULT 1 NOT NULL,
	idempotency_key VARCHAR(255),
	request_sha256 VARCHAR(64),
	request_id VARCHAR(64),
	traceparent VARCHAR(64),
	state VARCHAR(32) NOT NULL,
	blocked_reason VARCHAR(32),
	priority SMALLINT NOT NULL,
	transfer VARCHAR(32),
	fetched_bytes BIGINT,
	fence BIGINT NOT NULL,
	failures SMALLINT NOT NULL,
	lost_leases SMALLINT NOT NULL,
	lease_owner VARCHAR(32),
	lease_until BIGINT,
	not_before BIGINT NOT NULL,
	announced_until BIGINT NOT NULL,
	cancel_requested BOOLEAN DEFAULT 0 NOT NULL,
	percent SMALLINT NOT NULL,
	done_s DOUBLE NOT NULL,
	result_key VARCHAR(255),
	result_sha256 VARCHAR(64),
	result_checksums BLOB,
	result_size_bytes BIGINT,
	result_duration_s DOUBLE,
	report JSON,
	link_serial INTEGER DEFAULT '0' NOT NULL,
	error_code VARCHAR(32),
	error_detail TEXT,
	created_at BIGINT NOT NULL,
	started_at BIGINT,
	ended_at BIGINT,
	expires_at BIGINT,
	PRIMARY KEY (id),
	FOREIGN KEY(upload_id) REFERENCES uploads (id) ON DELETE SET NULL,
	FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT uq_jobs_idempotency UNIQUE (user_id, idempotency_key)
);
CREATE INDEX ix_jobs_cover_upload_id ON jobs (cover_upload_id);
CREATE INDEX ix_jobs_user_state ON jobs (user_id, state, expires_at, result_size_bytes);
CREATE INDEX ix_jobs_expiry ON jobs (expires_at);
CREATE INDEX ix_jobs_announced ON jobs (state, announced_until);
CREATE INDEX ix_jobs_lease ON jobs (state, lease_until);
CREATE INDEX ix_jobs_schedule ON jobs (state, user_id, priority, id);
CREATE INDEX ix_jobs_transfer ON jobs (transfer, user_id, not_before, id);
CREATE INDEX ix_jobs_user_ended ON jobs (user_id, ended_at, id);
CREATE INDEX ix_jobs_upload_id ON jobs (upload_id);
CREATE INDEX ix_jobs_user ON jobs (user_id, id);
CREATE INDEX ix_jobs_batch_id ON jobs (batch_id);
CREATE TABLE upload_chunks (
	upload_id VARCHAR(32) NOT NULL,
	offset_bytes BIGINT NOT NULL,
	size_bytes BIGINT NOT NULL,
	storage_key VARCHAR(255) NOT NULL,
	checksums BLOB NOT NULL,
	PRIMARY KEY (upload_id, offset_bytes),
	FOREIGN KEY(upload_id) REFERENCES uploads (id) ON DELETE CASCADE
);
CREATE TABLE notifications (
	id VARCHAR(32) NOT NULL,
	job_id VARCHAR(32) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	target VARCHAR(32) DEFAULT '' NOT NULL,
	user_id VARCHAR(32) NOT NULL,
	destination VARCHAR(255) DEFAULT '' NOT NULL,
	state VARCHAR(32) NOT NULL,
	attempts SMALLINT NOT NULL,
	not_before BIGINT NOT NULL,
	announced_until BIGINT NOT NULL,
	lease_until BIGINT,
	expires_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	sent_at BIGINT,
	status SMALLINT,
	problem VARCHAR(255),
	PRIMARY KEY (id),
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE,
	CONSTRAINT uq_notifications_job_target UNIQUE (job_id, kind, target)
);
CREATE INDEX ix_notifications_target ON notifications (target, id);
CREATE INDEX ix_notifications_turns ON notifications (state, user_id, destination, not_before, announced_until, id, job_id);
CREATE INDEX ix_notifications_announced ON notifications (state, announced_until);
CREATE TABLE destinations (
	user_id VARCHAR(32) NOT NULL,
	host VARCHAR(255) NOT NULL,
	failures SMALLINT NOT NULL,
	not_before BIGINT NOT NULL,
	PRIMARY KEY (user_id, host),
	FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE waveforms (
	job_id VARCHAR(32) NOT NULL,
	segment INTEGER NOT NULL,
	step_s DOUBLE NOT NULL,
	duration_s DOUBLE NOT NULL,
	peaks BLOB NOT NULL,
	PRIMARY KEY (job_id, segment),
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE webhooks (
	id VARCHAR(32) NOT NULL,
	user_id VARCHAR(32) NOT NULL,
	job_id VARCHAR(32),
	url TEXT NOT NULL,
	secret VARCHAR(255) NOT NULL,
	events JSON NOT NULL,
	created_at BIGINT NOT NULL,
	disabled_at BIGINT,
	PRIMARY KEY (id),
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE,
	FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_webhooks_job_id ON webhooks (job_id);
CREATE INDEX ix_webhooks_user ON webhooks (user_id, job_id, id);
INSERT INTO alembic_version (version_num) VALUES ('0001');
