<?php
/**
 * Deleting the plugin deletes everything it stored.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

// phpcs:disable WordPress.DB.PreparedSQL.InterpolatedNotPrepared -- Only the tables' names.

require __DIR__ . '/includes/table.php';

/**
 * Removes what is stored in one site.
 */
function uninstall(): void {
	global $wpdb;
	foreach ( array( checkouts_table(), days_table() ) as $table ) {
		$wpdb->query( "DROP TABLE IF EXISTS $table" );
	}
	foreach ( array( $wpdb->postmeta, $wpdb->prefix . 'wc_orders_meta' ) as $table ) {
		if ( $wpdb->get_var( $wpdb->prepare( 'SHOW TABLES LIKE %s', $wpdb->esc_like( $table ) ) ) === $table ) {
			$wpdb->query( "DELETE FROM $table WHERE meta_key IN ('_wc_winback_checkout', '_wc_winback_parent')" );
		}
	}
	delete_option( VERSION_OPTION );
	wp_clear_scheduled_hook( PRUNE_HOOK );
}

if ( is_multisite() ) {
	$every_site = array(
		'fields' => 'ids',
		'number' => 0,
	);
	foreach ( get_sites( $every_site ) as $site ) {
		switch_to_blog( $site );
		uninstall();
		restore_current_blog();
	}
} else {
	uninstall();
}
