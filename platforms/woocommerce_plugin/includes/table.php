<?php
/**
 * What is stored: one row per checkout, and two numbers per day.
 *
 * Times are UTC by the database's clock, so that several web servers agree.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

// phpcs:disable WordPress.DB.PreparedSQL.InterpolatedNotPrepared -- Only the tables' names, and values that literal() wrote.

const TABLE_VERSION  = '1';
const VERSION_OPTION = 'wc_winback_table';
const PRUNE_HOOK     = 'wc_winback_prune';

/**
 * The name of the checkouts' table.
 */
function checkouts_table(): string {
	global $wpdb;
	return $wpdb->prefix . 'winback_checkouts';
}

/**
 * The name of the table of daily numbers.
 */
function days_table(): string {
	global $wpdb;
	return $wpdb->prefix . 'winback_days';
}

/**
 * Makes or upgrades the tables, and has old rows forgotten every day.
 */
function install(): void {
	global $wpdb;
	require_once ABSPATH . 'wp-admin/includes/upgrade.php';
	$checkouts = checkouts_table();
	$days      = days_table();
	$charset   = $wpdb->get_charset_collate();
	dbDelta(
		"CREATE TABLE $checkouts (
		id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
		rev int(10) unsigned NOT NULL DEFAULT 1,
		token char(32) NOT NULL,
		cart_key char(64) DEFAULT NULL,
		parent_id bigint(20) unsigned NOT NULL DEFAULT 0,
		status varchar(10) NOT NULL DEFAULT 'open',
		stage varchar(16) NOT NULL DEFAULT 'contact',
		email varchar(254) NOT NULL,
		customer_id bigint(20) unsigned NOT NULL DEFAULT 0,
		order_id bigint(20) unsigned NOT NULL DEFAULT 0,
		order_status varchar(40) NOT NULL DEFAULT '',
		consent_state varchar(16) NOT NULL DEFAULT '',
		consent_source varchar(100) NOT NULL DEFAULT '',
		consent_at datetime DEFAULT NULL,
		created_at datetime NOT NULL,
		updated_at datetime NOT NULL,
		activity_at datetime NOT NULL,
		completed_at datetime DEFAULT NULL,
		contact text NOT NULL,
		cart longtext NOT NULL,
		PRIMARY KEY  (id),
		UNIQUE KEY token (token),
		UNIQUE KEY cart_key (cart_key),
		KEY updated (updated_at,id),
		KEY email (email(100))
		) $charset;
		CREATE TABLE $days (
		day date NOT NULL,
		started int(10) unsigned NOT NULL DEFAULT 0,
		contactable int(10) unsigned NOT NULL DEFAULT 0,
		PRIMARY KEY  (day)
		) $charset;"
	);
	update_option( VERSION_OPTION, TABLE_VERSION );
	if ( ! wp_next_scheduled( PRUNE_HOOK ) ) {
		wp_schedule_event( time() + HOUR_IN_SECONDS, 'daily', PRUNE_HOOK );
	}
}

/**
 * The row whose id, token or cart_key this is, or null.
 *
 * @param string     $column One of the three.
 * @param string|int $value  Its value.
 */
function find( string $column, $value ): ?array {
	global $wpdb;
	if ( ! in_array( $column, array( 'id', 'token', 'cart_key' ), true ) || ! $value ) {
		return null;
	}
	$table = checkouts_table();
	return $wpdb->get_row( $wpdb->prepare( "SELECT * FROM $table WHERE $column = %s", $value ), ARRAY_A );
}

/**
 * Makes a row. Of two requests that begin the same checkout at once, the second only updates the first one's row.
 *
 * @param array $row Column => value.
 * @return bool Whether it is a new row.
 */
function insert( array $row ): bool {
	global $wpdb;
	$table   = checkouts_table();
	$columns = implode( ', ', array_keys( $row ) );
	$values  = implode( ', ', array_map( __NAMESPACE__ . '\literal', $row ) );
	$updates = assignments( array_diff_key( $row, array_flip( array( 'token', 'cart_key', 'parent_id' ) ) ) );
	return 1 === $wpdb->query(
		"INSERT INTO $table ($columns, created_at, updated_at, activity_at)
		VALUES ($values, UTC_TIMESTAMP(), UTC_TIMESTAMP(), UTC_TIMESTAMP())
		ON DUPLICATE KEY UPDATE $updates, rev = rev + 1, updated_at = UTC_TIMESTAMP(), activity_at = UTC_TIMESTAMP()"
	);
}

/**
 * Changes a row and raises its revision.
 *
 * @param int   $id      The row.
 * @param array $row     Column => value.
 * @param bool  $shopper Whether the shopper did it: staff, gateways and cron are no activity.
 */
function change( int $id, array $row, bool $shopper ): void {
	global $wpdb;
	$table = checkouts_table();
	$set   = ( $row ? assignments( $row ) . ', ' : '' ) . 'rev = rev + 1, updated_at = UTC_TIMESTAMP()';
	if ( $shopper ) {
		$set .= ', activity_at = UTC_TIMESTAMP()';
	}
	$wpdb->query( "UPDATE IGNORE $table SET $set WHERE id = $id" );
}

/**
 * SQL like "email = 'a@example.com', cart_key = NULL".
 *
 * @param array $row Column => value.
 */
function assignments( array $row ): string {
	return implode( ', ', array_map( static fn( $column, $value ) => "$column = " . literal( $value ), array_keys( $row ), $row ) );
}

/**
 * A value as SQL writes it.
 *
 * @param string|int|null $value The value.
 */
function literal( $value ): string {
	global $wpdb;
	return null === $value ? 'NULL' : $wpdb->prepare( '%s', $value );
}

/**
 * Adds to a day's numbers. They hold nothing about anybody.
 *
 * @param string $day         Like 2026-11-22, UTC.
 * @param int    $started     Checkouts begun.
 * @param int    $contactable Checkouts with an e-mail address.
 */
function count_day( string $day, int $started, int $contactable ): void {
	global $wpdb;
	$table = days_table();
	$wpdb->query(
		$wpdb->prepare(
			"INSERT INTO $table (day, started, contactable) VALUES (%s, %d, %d)
			ON DUPLICATE KEY UPDATE started = started + VALUES(started), contactable = contactable + VALUES(contactable)",
			$day,
			$started,
			$contactable
		)
	);
}
